%% @private
%% Accepts connections, starts a process for each, and limits their number
%% (`cambrian_dashboard_connections') and the time of an answer.
-module(cambrian_dashboard_listener).
-behaviour(gen_server).

-export([prepare/1, start_link/1, connections/0]).
-export([init/1, handle_call/3, handle_info/2, handle_cast/2]).

%% A port becomes free a moment after its process has exited.
-define(TRIES, 25).
-define(RETRY_MS, 20).
-define(BACKLOG, 128).
%% The timeout for clients that do not read.
-define(SEND_MS, 10_000).
-define(ANSWER_MS, 30_000).
-define(TRIAL_MS, 5_000).
%% The pause when the VM has no file descriptor left.
-define(NO_FILES_MS, 100).

-record(state, {connections = cambrian_dashboard_connections:new()
                    :: cambrian_dashboard_connections:connections(),
                blocks = #{} :: #{pid() => cambrian_dashboard_connections:block()},
                %% timeouts of answers
                timers = #{} :: #{pid() => reference()},
                ssl :: none | fun(() -> [term()]), acceptor :: pid()}).

%%% ---- before the start -------------------------------------------------------------------

%% @doc Checks that the server can start, and adds its port to the options.
-spec prepare(map()) -> {ok, map()} | {error, term()}.
prepare(#{port := Port, address := Address} = Options) ->
    case trial(Options) of
        ok ->
            case free_port(Address, Port, ?TRIES) of
                {ok, Free} -> {ok, Options#{port := Free}};
                {error, Reason} -> {error, {cannot_listen, host_and_port(Address, Port), Reason}}
            end;
        Error -> Error
    end.

free_port(Address, Port, Tries) ->
    case gen_tcp:listen(Port, [{ip, Address}, {reuseaddr, true}]) of
        {ok, Socket} ->
            Found = inet:port(Socket),
            ok = gen_tcp:close(Socket),
            Found;
        {error, eaddrinuse} when Tries > 1 ->
            timer:sleep(?RETRY_MS),
            free_port(Address, Port, Tries - 1);
        Error -> Error
    end.

host_and_port(Address, Port) ->
    iolist_to_binary([inet:ntoa(Address), $:, integer_to_list(Port)]).

%% Tries a handshake with itself: only that shows whether the key belongs to the certificate.
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

%% The exit of the client is its answer.
-dialyzer({nowarn_function, [handshake/1, connect/1]}).
handshake(Ssl) ->
    {ok, Listen} = gen_tcp:listen(0, [binary, {ip, {127, 0, 0, 1}}, {active, false}]),
    {ok, Port} = inet:port(Listen),
    {Client, Monitor} = spawn_monitor(fun() -> connect(Port) end),
    {ok, Socket} = gen_tcp:accept(Listen, ?TRIAL_MS),
    Server = handshake_result(fun() -> ssl:handshake(Socket, Ssl(), ?TRIAL_MS) end),
    %% If the client still waits for an answer, this ends its wait.
    _ = gen_tcp:close(Socket),
    Connected = receive {'DOWN', Monitor, process, Client, Ended} -> Ended
                after ?TRIAL_MS ->
                    exit(Client, kill),
                    receive {'DOWN', Monitor, process, Client, Ended} -> Ended end
                end,
    _ = gen_tcp:close(Listen),
    cambrian_dashboard_tls:verdict(Server, Connected).

connect(Port) ->
    Options = [{verify, verify_none}, {log_level, none}],
    exit(case ssl:connect({127, 0, 0, 1}, Port, Options, ?TRIAL_MS) of
             {ok, _} -> connected;
             {error, Reason} -> Reason
         end).

%% A server may ask clients for a certificate. This client has none, so such a refusal is right.
handshake_result(Handshake) ->
    try Handshake() of
        {ok, Secure} -> _ = ssl:close(Secure), ok;
        {error, {tls_alert, {Alert, _}}} when Alert =:= certificate_required;
                                              Alert =:= handshake_failure -> ok;
        {error, Reason} -> {failed, Reason};
        Other -> {failed, Other}
    catch _:Reason -> {failed, Reason}
    end.

%%% ---- server -----------------------------------------------------------------------------

%% @doc Starts the server, after a crash on the same port.
-spec start_link(map()) -> {ok, pid()} | {error, term()}.
start_link(Options) -> gen_server:start_link({local, ?MODULE}, ?MODULE, Options, []).

%% @doc Lists the processes of open connections, and their kinds.
-spec connections() -> [{pid(), cambrian_dashboard_connections:kind()}].
connections() -> gen_server:call(?MODULE, connections).

init(#{port := Port, address := Address} = Options) ->
    process_flag(trap_exit, true),
    Family = case tuple_size(Address) of 4 -> inet; 8 -> inet6 end,
    case free_port(Address, Port, ?TRIES) of
        {ok, Port} ->
            {ok, Listen} = gen_tcp:listen(Port, [Family, {ip, Address} | socket_options()]),
            Self = self(),
            Acceptor = spawn_link(fun() -> accept(Listen, Self) end),
            {ok, #state{ssl = maps:get(ssl, Options, none), acceptor = Acceptor}};
        {error, Reason} -> {stop, {cannot_listen, host_and_port(Address, Port), Reason}}
    end.

socket_options() ->
    [binary, {active, false}, {reuseaddr, true}, {nodelay, true}, {backlog, ?BACKLOG},
     {send_timeout, ?SEND_MS}, {send_timeout_close, true}].

handle_call({accepted, Address}, _From, #state{blocks = Blocks, ssl = Ssl} = State) ->
    Block = cambrian_dashboard_connections:block(Address),
    Listener = self(),
    ChangeKind = fun(Kind) -> gen_server:call(Listener, {change_kind, Kind}) end,
    Options = #{change_kind => ChangeKind, peer => Address, ssl => Ssl},
    Pid = cambrian_dashboard_connection:start_link(Options),
    {ok, Admitted} = admit(Pid, Block, waiting, State),
    {reply, Pid, Admitted#state{blocks = Blocks#{Pid => Block}}};
handle_call({change_kind, Kind}, {Pid, _}, #state{blocks = Blocks} = State)
  when is_map_key(Pid, Blocks) ->
    case admit(Pid, map_get(Pid, Blocks), Kind, State) of
        {ok, Admitted} -> {reply, ok, start_timer(Kind, Pid, cancel_timer(Pid, Admitted))};
        Full -> {reply, Full, State}
    end;
handle_call(connections, _From, #state{connections = Connections} = State) ->
    {reply, cambrian_dashboard_connections:kinds(Connections), State};
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

handle_info({'EXIT', Acceptor, Reason}, #state{acceptor = Acceptor} = State) ->
    {stop, Reason, State};
handle_info({'EXIT', Pid, _Reason}, #state{connections = Connections, blocks = Blocks} = State) ->
    Left = cancel_timer(Pid, State),
    {noreply, Left#state{connections = cambrian_dashboard_connections:remove(Pid, Connections),
                         blocks = maps:remove(Pid, Blocks)}};
handle_info({timeout, Timer, {late, Pid}}, #state{timers = Timers} = State)
  when map_get(Pid, Timers) =:= Timer ->
    exit(Pid, kill),
    {noreply, State};
handle_info(_, State) -> {noreply, State}.

handle_cast(_, State) -> {noreply, State}.

%% Kills the connections that the admitted one replaces.
admit(Pid, Block, Kind, #state{connections = Connections} = State) ->
    case cambrian_dashboard_connections:admit(Pid, Block, Kind, Connections) of
        {ok, Replaced, Next} ->
            _ = [exit(Other, kill) || Other <- Replaced],
            {ok, State#state{connections = Next}};
        Full -> Full
    end.

start_timer(Kind, Pid, #state{timers = Timers} = State) when Kind =:= asking; Kind =:= health ->
    State#state{timers = Timers#{Pid => erlang:start_timer(?ANSWER_MS, self(), {late, Pid})}};
start_timer(_Kind, _Pid, State) -> State.

cancel_timer(Pid, #state{timers = Timers} = State) ->
    _ = [erlang:cancel_timer(Timer) || #{Pid := Timer} <- [Timers]],
    State#state{timers = maps:remove(Pid, Timers)}.

%%% ---- accepting --------------------------------------------------------------------------

accept(Listen, Listener) ->
    case gen_tcp:accept(Listen) of
        {ok, Socket} -> accepted(inet:peername(Socket), Socket, Listener), accept(Listen, Listener);
        {error, closed} -> exit(closed);
        {error, _} -> timer:sleep(?NO_FILES_MS), accept(Listen, Listener)
    end.

accepted({ok, {Address, _Port}}, Socket, Listener) ->
    Pid = gen_server:call(Listener, {accepted, Address}, infinity),
    case gen_tcp:controlling_process(Socket, Pid) of
        ok -> Pid ! {socket, Socket}, ok;
        {error, _} -> exit(Pid, kill), gen_tcp:close(Socket)
    end;
accepted({error, _}, Socket, _Listener) -> gen_tcp:close(Socket).
