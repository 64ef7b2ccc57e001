%% @private
%% Who may see the dashboard, and who may change something; and the audit of what was changed.
%%
%% With a token: whoever has it, or a session that began with it. Without one it listens on this machine only, and what must
%% be kept out are the pages of others in a browser here. They reach it under a name of their own (DNS rebinding), so the
%% name must be one of ours; they can send it requests, but none with a header of our own, and not without their origin.
%%
%% The right token is looked at first, so wrong ones keep nobody out; and what a page of another origin sends is neither
%% looked at nor counted.
-module(cambrian_dashboard_access).
-behaviour(gen_server).

-export([start_link/1, url/0, enter/1, login/2, logout/1, watch/1, end_sessions/0, note/3, refused/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-export_type([who/0]).

-type request() :: cambrian_dashboard_http:request().
%% `anyone' where no token is asked for.
-type who() :: anyone | token | {session, cambrian_dashboard_sessions:id()}.

-record(state, {port :: inet:port_number(), address :: inet:ip_address(), scheme :: http | https,
                token :: none | fun(() -> binary()),
                %% under which the page is reached: those that a proxy may have given it, and all
                hosts :: [string()], names :: [string()],
                sessions = cambrian_dashboard_sessions:new() :: cambrian_dashboard_sessions:sessions(),
                %% the streams of sessions, which end with them
                streams = #{} :: #{reference() => {pid(), cambrian_dashboard_sessions:id()}},
                %% wrong tokens in this minute, by address
                failures = #{} :: #{term() => pos_integer()},
                %% what else was refused in this minute and not yet written down
                refused = #{} :: #{atom() => pos_integer()},
                audit :: cambrian_audit:audit()}).

%% So many wrong tokens of one address are answered in a minute.
-define(MAX_FAILURES, 10).
-define(MAX_ADDRESSES, 1000).
-define(MINUTE_MS, 60_000).
-define(MAX_NOTED, 255).
-define(NO_MARK, <<"the header x-cambrian is missing: send it with any value, as x-cambrian: 1">>).

-spec start_link(map()) -> {ok, pid()} | {error, term()}.
start_link(Options) -> gen_server:start_link({local, ?MODULE}, ?MODULE, Options, []).

%% @doc Where the page is, with its token.
-spec url() -> binary().
url() -> cambrian_running:call(?MODULE, url).

%% @doc An `owner' may see all, and change something if the request says so. A `stranger' may be told that the node lives and
%% where to show a token, and is to `wait' after too many wrong ones; a `visitor' follows a link of another page to ours.
%% `refused' gets nothing at all.
-spec enter(request()) -> {owner, who()} | visitor | stranger | wait | {refused, Why :: binary()}.
enter(Request) -> gen_server:call(?MODULE, {enter, Request}).

%% @doc A session for who has the token: its cookie, and the key for the page.
-spec login(Token :: binary(), request()) -> {ok, Cookie :: iodata(), Key :: binary()} | wrong | wait | needless.
login(Token, Request) -> gen_server:call(?MODULE, {login, Token, Request}).

%% @doc Ends a session; the header that removes the cookie.
-spec logout({who(), request()}) -> {ok, Cookie :: iodata()}.
logout({Who, Request}) -> gen_server:call(?MODULE, {logout, Who, Request}).

%% @doc The caller is a stream of this session, and ends with it.
-spec watch(who()) -> ok | over.
watch({session, Id}) -> gen_server:call(?MODULE, {watch, Id});
watch(_Who) -> ok.

%% @doc All of them: how many there were; none where there is no dashboard.
-spec end_sessions() -> non_neg_integer().
end_sessions() ->
    try gen_server:call(?MODULE, end_sessions, infinity)
    catch exit:{noproc, _} -> 0
    end.

%% @doc An entry in the audit: what was done, by whom, and what came of it.
-spec note(What :: atom(), Details :: #{atom() => term()}, {who(), request()}) -> ok.
note(What, Details, By) -> gen_server:cast(?MODULE, {note, What, Details, By}).

%% @doc Counted, and told of in the audit once a minute.
-spec refused(Why :: atom(), request()) -> ok.
refused(Why, #{peer := Peer}) -> gen_server:cast(?MODULE, {refused, Why, Peer}).

%%% ---- server -----------------------------------------------------------------------------

init(#{port := Port, address := Address, hosts := Hosts} = Options) ->
    process_flag(trap_exit, true),
    Given = [string:lowercase(binary_to_list(Host)) || Host <- Hosts],
    _ = erlang:send_after(?MINUTE_MS, self(), minute),
    {ok, #state{port = Port, address = Address, scheme = case Options of #{ssl := _} -> https; _ -> http end,
                token = maps:get(token, Options, none), hosts = Given, names = ["localhost", inet:ntoa(Address) | Given],
                audit = audit()}}.

audit() ->
    case cambrian_data_dir:path([<<"audit">>, <<"dashboard">>]) of
        {ok, Dir} -> cambrian_audit:open(Dir);
        none -> cambrian_audit:open(none);
        {error, Reason} ->
            logger:error("cambrian: no audit of the dashboard: ~0tp", [Reason]),
            cambrian_audit:open(none)
    end.

handle_call(url, _From, #state{port = Port, address = Address, scheme = Scheme, token = Token} = State) ->
    Query = [["?token=", Token()] || Token =/= none],
    {reply, iolist_to_binary([atom_to_list(Scheme), "://", name(Address), $:, integer_to_list(Port), $/, Query]), State};
handle_call({enter, Request}, _From, #state{hosts = Hosts} = State) ->
    case {cambrian_dashboard_origin:is_foreign(Request, Hosts), Request} of
        {false, _} -> entered(Request, State);
        {true, #{path := Path}} ->
            case cambrian_dashboard_origin:is_visit(Request) andalso Path of
                <<"/">> when State#state.token =/= none -> {reply, visitor, State};
                %% to where a visitor is sent
                <<"/enter">> when State#state.token =/= none -> {reply, stranger, State};
                <<"/">> -> entered(Request, State);
                _ -> {reply, {refused, <<"the request came from another page">>}, count(other_page, Request, State)}
            end
    end;
handle_call({login, Given, Request}, _From, #state{token = none} = State) when is_binary(Given), is_map(Request) ->
    {reply, needless, State};
handle_call({login, Given, Request}, _From, #state{token = Token, hosts = Hosts} = State) ->
    case is_same(Given, Token()) of
        true -> opened(Request, State);
        false ->
            case cambrian_dashboard_origin:is_foreign(Request, Hosts) of
                true -> {reply, wrong, State};
                false -> failed(Request, State)
            end
    end;
handle_call({logout, Who, Request}, _From, State) ->
    Cookie = cambrian_dashboard_sessions:cookie(<<>>, cambrian_dashboard_origin:of_request(Request)),
    {reply, {ok, Cookie}, closed([Id || {session, Id} <- [Who]], written(logout, #{}, {Who, Request}, State))};
handle_call({watch, Id}, {Pid, _}, #state{sessions = Sessions, streams = Streams} = State) ->
    case cambrian_dashboard_sessions:is_open(Id, Sessions) of
        true -> {reply, ok, State#state{streams = Streams#{monitor(process, Pid) => {Pid, Id}}}};
        false -> {reply, over, State}
    end;
handle_call(end_sessions, _From, #state{sessions = Sessions} = State) ->
    {Ids, None} = cambrian_dashboard_sessions:close_all(Sessions),
    {reply, length(Ids), closed(Ids, line(end_sessions, #{count => length(Ids)}, State#state{sessions = None}))};
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

handle_cast({note, What, Details, By}, State) -> {noreply, written(What, Details, By, State)};
handle_cast({refused, Why, Peer}, State) -> {noreply, count(Why, #{peer => Peer}, State)};
handle_cast(_, State) -> {noreply, State}.

handle_info(minute, #state{sessions = Sessions, streams = Streams} = State) ->
    _ = erlang:send_after(?MINUTE_MS, self(), minute),
    InUse = [Id || {_, Id} <- maps:values(Streams)],
    {Over, Left} = cambrian_dashboard_sessions:expire(InUse, now_ms(), Sessions),
    Told = lists:foldl(fun(Id, Next) -> line(session_over, #{session => Id}, Next) end, State#state{sessions = Left}, Over),
    {noreply, (closed(Over, counted(Told)))#state{failures = #{}}};
handle_info({'DOWN', Monitor, process, _, _}, #state{streams = Streams} = State) ->
    {noreply, State#state{streams = maps:remove(Monitor, Streams)}};
handle_info(_, State) -> {noreply, State}.

terminate(_Reason, State) ->
    #state{audit = Audit} = counted(State),
    cambrian_audit:close(Audit).

%% What somebody types who is to come here. Not every machine knows the name `localhost'.
name(Any) when Any =:= {0, 0, 0, 0}; Any =:= {0, 0, 0, 0, 0, 0, 0, 0} ->
    {ok, Name} = inet:gethostname(),
    Name;
name(Address) when tuple_size(Address) =:= 8 -> [$[, inet:ntoa(Address), $]];
name(Address) -> inet:ntoa(Address).

now_ms() -> erlang:monotonic_time(millisecond).

%%% ---- who it is --------------------------------------------------------------------------

entered(Request, #state{token = none, names = Names} = State) ->
    case lists:member(cambrian_dashboard_origin:host(Request), Names) of
        true -> deliberate(anyone, Request, State);
        false ->
            {reply, {refused, <<"the dashboard is not known under this name; see the option hosts">>}, count(other_name, Request, State)}
    end;
entered(#{method := <<"POST">>, path := <<"/login">>}, State) ->
    {reply, stranger, State};
entered(#{headers := Headers} = Request, #state{token = Token, sessions = Sessions} = State) ->
    case proplists:get_value(<<"authorization">>, Headers) of
        undefined ->
            Origin = cambrian_dashboard_origin:of_request(Request),
            Cookies = cambrian_dashboard_sessions:cookies(proplists:get_all_values(<<"cookie">>, Headers), Origin),
            case cambrian_dashboard_sessions:find(Cookies, Origin, now_ms(), Sessions) of
                {ok, Id, Used} -> deliberate({session, Id}, Request, State#state{sessions = Used});
                none -> {reply, stranger, State}
            end;
        Given ->
            case is_same(bearer(Given), Token()) of
                true -> deliberate(token, Request, State);
                false ->
                    {reply, Answer, Next} = failed(Request, State),
                    {reply, case Answer of wrong -> stranger; wait -> wait end, Next}
            end
    end.

bearer(<<Scheme:7/binary, Token/binary>>) ->
    case string:lowercase(Scheme) of
        <<"bearer ">> -> string:trim(Token);
        _ -> <<>>
    end;
bearer(_) -> <<>>.

%% What changes something has a header that browsers let no page of another origin send; with a session, its key. A session
%% whose key a browser has lost can end all the same.
deliberate({session, _} = Who, #{method := <<"POST">>, path := <<"/logout">>}, State) ->
    {reply, {owner, Who}, State};
deliberate(Who, #{method := <<"POST">>, headers := Headers} = Request, #state{sessions = Sessions} = State) ->
    Mark = proplists:get_value(<<"x-cambrian">>, Headers, <<>>),
    Is = case Who of
             {session, Id} -> cambrian_dashboard_sessions:may_change(Id, Mark, Sessions);
             _ -> Mark =/= <<>>
         end,
    case {Is, Who} of
        {true, _} -> {reply, {owner, Who}, State};
        {false, {session, _}} ->
            {reply, {refused, <<"the header x-cambrian is missing, or of another session: log in again">>},
             count(no_mark, Request, State)};
        %% who has the token adds a line each time: nobody else can
        {false, token} -> {reply, {refused, ?NO_MARK}, written(refused, #{reason => no_mark}, {Who, Request}, State)};
        {false, anyone} -> {reply, {refused, ?NO_MARK}, count(no_mark, Request, State)}
    end;
deliberate(Who, _Request, State) -> {reply, {owner, Who}, State}.

%% In a time that tells nothing of either.
is_same(Given, Token) -> crypto:hash_equals(crypto:hash(sha256, Given), crypto:hash(sha256, Token)).

failed(#{peer := Peer} = Request, #state{failures = Failures} = State) ->
    Next = count(wrong_token, Request, State),
    case Failures of
        #{Peer := Count} when Count >= ?MAX_FAILURES -> {reply, wait, Next};
        #{Peer := Count} -> {reply, wrong, Next#state{failures = Failures#{Peer := Count + 1}}};
        _ when map_size(Failures) >= ?MAX_ADDRESSES -> {reply, wait, Next};
        _ -> {reply, wrong, Next#state{failures = Failures#{Peer => 1}}}
    end.

%%% ---- sessions ---------------------------------------------------------------------------

opened(Request, #state{sessions = Sessions} = State) ->
    Origin = cambrian_dashboard_origin:of_request(Request),
    [Cookie, Key] = [cambrian_text:hex(crypto:strong_rand_bytes(32)) || _ <- [cookie, key]],
    {Id, Ended, Opened} = cambrian_dashboard_sessions:open({Cookie, Key}, Origin, now_ms(), Sessions),
    Next = written(login, #{}, {{session, Id}, Request}, State#state{sessions = Opened}),
    {reply, {ok, cambrian_dashboard_sessions:cookie(Cookie, Origin), Key}, closed(Ended, Next)}.

%% With the streams that somebody has open by them.
closed(Ids, #state{sessions = Sessions, streams = Streams} = State) ->
    _ = [exit(Pid, shutdown) || {Pid, Id} <- maps:values(Streams), lists:member(Id, Ids)],
    State#state{sessions = lists:foldl(fun cambrian_dashboard_sessions:close/2, Sessions, Ids)}.

%%% ---- audit ------------------------------------------------------------------------------

written(What, Details, {Who, #{peer := Peer}}, State) ->
    line(What, maps:merge(maps:map(fun short/2, Details), (by(Who))#{address => address(Peer)}), State).

short(_, Text) when is_binary(Text) -> binary:part(Text, 0, min(byte_size(Text), ?MAX_NOTED));
short(_, Other) -> Other.

by({session, Id}) -> #{by => session, session => Id};
by(Who) -> #{by => Who}.

address({Block, 64}) -> list_to_binary([inet:ntoa(Block), "/64"]);
address(Address) -> list_to_binary(inet:ntoa(Address)).

line(What, Details, #state{audit = Audit} = State) ->
    State#state{audit = cambrian_audit:decided(erlang:system_time(millisecond), What, Details, Audit)}.

%% A stranger who sends without end adds a line a minute: it cannot push out what owners did.
count(Why, #{peer := Peer}, #state{refused = Refused} = State) when map_size(Refused) =:= 0 ->
    line(refused, #{reason => Why, address => address(Peer)}, State#state{refused = Refused#{Why => 0}});
count(Why, _Request, #state{refused = Refused} = State) ->
    State#state{refused = maps:update_with(Why, fun(N) -> N + 1 end, 1, Refused)}.

counted(#state{refused = Refused} = State) ->
    Cleared = State#state{refused = #{}},
    case maps:filter(fun(_, N) -> N > 0 end, Refused) of
        None when None =:= #{} -> Cleared;
        More -> line(refused_more, More, Cleared)
    end.
