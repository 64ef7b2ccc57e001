%% @private
%% The socket of the dashboard: accepts connections, gives each a process, and bounds how many there are
%% (`cambrian_dashboard_connections') and how long an answer takes.
-module(cambrian_dashboard_listener).
-behaviour(gen_server).

-export([prepare/1, start_link/1, hold/2, connections/0]).
-export([init/1, handle_call/3, handle_info/2, handle_cast/2]).

%% A port is not free at the very moment at which its process has ended.
-define(LOOKS, 25).
-define(LOOK_MS, 20).
-define(BACKLOG, 128).
%% For one that does not read.
-define(SEND_MS, 10_000).
-define(ANSWER_MS, 30_000).
-define(TRIAL_MS, 5_000).
%% Until somebody has given back a file descriptor.
-define(NO_FILES_MS, 100).

-record(state, {places = cambrian_dashboard_connections:new() :: cambrian_dashboard_connections:places(),
                blocks = #{} :: #{pid() => cambrian_dashboard_connections:block()},
                %% of those whose answer is under way
                timers = #{} :: #{pid() => reference()},
                ssl :: none | fun(() -> [term()]), acceptor :: pid()}).

%%% ---- before it starts -------------------------------------------------------------------

%% @doc Looks whether there can be a server: with the port that it will have.
-spec prepare(map()) -> {ok, map()} | {error, term()}.
prepare(#{port := Port, address := Address} = Options) ->
    case trial(Options) of
        ok ->
            case free_port(Address, Port, ?LOOKS) of
                {ok, Free} -> {ok, Options#{port := Free}};
                {error, Reason} -> {error, {cannot_listen, place(Address, Port), Reason}}
            end;
        Error -> Error
    end.

free_port(Address, Port, Looks) ->
    case gen_tcp:listen(Port, [{ip, Address}, {reuseaddr, true}]) of
        {ok, Socket} ->
            Found = inet:port(Socket),
            ok = gen_tcp:close(Socket),
            Found;
        {error, eaddrinuse} when Looks > 1 ->
            timer:sleep(?LOOK_MS),
            free_port(Address, Port, Looks - 1);
        Error -> Error
    end.

place(Address, Port) -> iolist_to_binary([inet:ntoa(Address), $:, integer_to_list(Port)]).

%% A handshake with ourselves: nothing else tells whether the certificate is that of the key.
trial(#{ssl := Ssl}) ->
    case application:ensure_all_started(ssl) of
        {ok, _} ->
            case cambrian_dashboard_tls:check(Ssl()) of
                ok -> handshake(Ssl);
                Error -> Error
            end;
        {error, _} -> {error, {application_unavailable, ssl}}
    end;
trial(_Options) -> ok.

handshake(Ssl) ->
    {ok, Listen} = gen_tcp:listen(0, [binary, {ip, {127, 0, 0, 1}}, {active, false}]),
    {ok, Port} = inet:port(Listen),
    {Client, Monitor} = spawn_monitor(fun() -> call(Port) end),
    {ok, Socket} = gen_tcp:accept(Listen, ?TRIAL_MS),
    Server = shaken(fun() -> ssl:handshake(Socket, Ssl(), ?TRIAL_MS) end),
    %% who still waits for an answer hears that there is none
    _ = gen_tcp:close(Socket),
    Called = receive {'DOWN', Monitor, process, Client, Ended} -> Ended
             after ?TRIAL_MS ->
                 exit(Client, kill),
                 receive {'DOWN', Monitor, process, Client, Ended} -> Ended end
             end,
    _ = gen_tcp:close(Listen),
    cambrian_dashboard_tls:verdict(Server, Called).

call(Port) ->
    exit(case ssl:connect({127, 0, 0, 1}, Port, [{verify, verify_none}, {log_level, none}], ?TRIAL_MS) of
             {ok, _} -> connected;
             {error, Reason} -> Reason
         end).

%% One that asks for a certificate does not get it here, and is as it should be.
shaken(Handshake) ->
    try Handshake() of
        {ok, Secure} -> _ = ssl:close(Secure), ok;
        {error, {tls_alert, {Alert, _}}} when Alert =:= certificate_required; Alert =:= handshake_failure -> ok;
        {error, Reason} -> {failed, Reason};
        Other -> {failed, Other}
    catch _:Reason -> {failed, Reason}
    end.

%%% ---- server -----------------------------------------------------------------------------

%% @doc After a crash on the port that it had.
-spec start_link(map()) -> {ok, pid()} | {error, term()}.
start_link(Options) -> gen_server:start_link({local, ?MODULE}, ?MODULE, Options, []).

%% @doc Another kind of place for the connection that calls.
-spec hold(pid(), cambrian_dashboard_connections:kind()) -> ok | {full, address | all}.
hold(Listener, Kind) -> gen_server:call(Listener, {hold, Kind}).

%% @doc The processes of those that are open, and which places they have.
-spec connections() -> [{pid(), cambrian_dashboard_connections:kind()}].
connections() -> gen_server:call(?MODULE, connections).

init(#{port := Port, address := Address} = Options) ->
    process_flag(trap_exit, true),
    Family = case tuple_size(Address) of 4 -> inet; 8 -> inet6 end,
    case free_port(Address, Port, ?LOOKS) of
        {ok, Port} ->
            {ok, Listen} = gen_tcp:listen(Port, [binary, Family, {ip, Address}, {active, false}, {reuseaddr, true},
                                                 {nodelay, true}, {backlog, ?BACKLOG}, {send_timeout, ?SEND_MS},
                                                 {send_timeout_close, true}]),
            Self = self(),
            {ok, #state{ssl = maps:get(ssl, Options, none), acceptor = spawn_link(fun() -> accept(Listen, Self) end)}};
        {error, Reason} -> {stop, {cannot_listen, place(Address, Port), Reason}}
    end.

handle_call({enter, Address}, _From, #state{places = Places, blocks = Blocks, ssl = Ssl} = State) ->
    Block = cambrian_dashboard_connections:block(Address),
    Pid = cambrian_dashboard_connection:start_link(#{listener => self(), peer => Address, ssl => Ssl}),
    {ok, Ended, Next} = cambrian_dashboard_connections:hold(Pid, Block, waiting, Places),
    {reply, Pid, ended(Ended, State#state{places = Next, blocks = Blocks#{Pid => Block}})};
handle_call({hold, Kind}, {Pid, _}, #state{places = Places, blocks = Blocks} = State) when is_map_key(Pid, Blocks) ->
    case cambrian_dashboard_connections:hold(Pid, map_get(Pid, Blocks), Kind, Places) of
        {ok, Ended, Next} ->
            {reply, ok, ended(Ended, timed(Kind, Pid, untimed(Pid, State#state{places = Next})))};
        Full -> {reply, Full, State}
    end;
handle_call(connections, _From, #state{places = Places} = State) ->
    {reply, cambrian_dashboard_connections:kinds(Places), State};
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

handle_info({'EXIT', Acceptor, Reason}, #state{acceptor = Acceptor} = State) ->
    {stop, Reason, State};
handle_info({'EXIT', Pid, _Reason}, #state{places = Places, blocks = Blocks} = State) ->
    Left = untimed(Pid, State),
    {noreply, Left#state{places = cambrian_dashboard_connections:leave(Pid, Places), blocks = maps:remove(Pid, Blocks)}};
handle_info({timeout, Timer, {late, Pid}}, #state{timers = Timers} = State) when map_get(Pid, Timers) =:= Timer ->
    exit(Pid, kill),
    {noreply, State};
handle_info(_, State) -> {noreply, State}.

handle_cast(_, State) -> {noreply, State}.

timed(Kind, Pid, #state{timers = Timers} = State) when Kind =:= asking; Kind =:= health ->
    State#state{timers = Timers#{Pid => erlang:start_timer(?ANSWER_MS, self(), {late, Pid})}};
timed(_Kind, _Pid, State) -> State.

untimed(Pid, #state{timers = Timers} = State) ->
    _ = [erlang:cancel_timer(Timer) || #{Pid := Timer} <- [Timers]],
    State#state{timers = maps:remove(Pid, Timers)}.

ended(Pids, State) ->
    _ = [exit(Pid, kill) || Pid <- Pids],
    State.

%%% ---- accepting --------------------------------------------------------------------------

accept(Listen, Listener) ->
    case gen_tcp:accept(Listen) of
        {ok, Socket} -> entered(inet:peername(Socket), Socket, Listener), accept(Listen, Listener);
        {error, closed} -> exit(closed);
        {error, _} -> timer:sleep(?NO_FILES_MS), accept(Listen, Listener)
    end.

entered({ok, {Address, _Port}}, Socket, Listener) ->
    Pid = gen_server:call(Listener, {enter, Address}, infinity),
    case gen_tcp:controlling_process(Socket, Pid) of
        ok -> Pid ! {socket, Socket}, ok;
        {error, _} -> exit(Pid, kill), gen_tcp:close(Socket)
    end;
entered({error, _}, Socket, _Listener) -> gen_tcp:close(Socket).
