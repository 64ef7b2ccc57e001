%% @private
%% Decides who may see the dashboard and who may change something, and audits the changes.
%%
%% With a token, access needs the token, or a session that began with it. Without a token the
%% dashboard listens on this machine only, and must refuse requests of foreign pages in a browser of
%% this machine. A foreign page may use a host name of its own (DNS rebinding), so the host name
%% must be one of ours. It may send requests, but browsers do not let it add our header, and always
%% add its origin.
%%
%% The right token is accepted before wrong tokens are counted, so nobody can lock out its owner.
%% Tokens from a foreign origin are neither checked nor counted.
-module(cambrian_dashboard_access).
-behaviour(gen_server).

-export([start_link/1, url/0, authorise/1, login/2, logout/1, watch/1, end_sessions/0,
         audit/3, refused/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2,
         format_status/1]).
-export_type([who/0]).

-type request() :: cambrian_dashboard_http:request().
%% `anyone' if the dashboard has no token.
-type who() :: anyone | token | {session, cambrian_dashboard_sessions:id()}.

-record(state, {port :: inet:port_number(), address :: inet:ip_address(), scheme :: http | https,
                token :: none | fun(() -> binary()),
                %% host names that a proxy may have given the page, and all its host names
                hosts :: [string()], names :: [string()],
                sessions = cambrian_dashboard_sessions:new()
                    :: cambrian_dashboard_sessions:sessions(),
                %% open event streams, which end with their session
                streams = #{} :: #{reference() => {pid(), cambrian_dashboard_sessions:id()}},
                %% wrong tokens of this minute, by address
                failures = #{} :: #{term() => pos_integer()},
                %% refusals of this minute that are not in the audit yet, by reason
                refused = #{} :: #{atom() => non_neg_integer()},
                audit :: cambrian_audit:audit()}).

%% The most wrong tokens of one address in a minute.
-define(MAX_FAILURES, 10).
-define(MAX_ADDRESSES, 1000).
-define(MINUTE_MS, 60_000).
-define(MAX_AUDITED_BYTES, 255).
-define(NO_HEADER,
        <<"the header x-cambrian is missing: send it with any value, as x-cambrian: 1">>).

-spec start_link(map()) -> {ok, pid()} | {error, term()}.
start_link(Options) -> gen_server:start_link({local, ?MODULE}, ?MODULE, Options, []).

%% @doc Returns the URL of the page, including its token.
-spec url() -> binary().
url() -> cambrian_running:call(?MODULE, url).

%% @doc Decides what the sender of a request may do. An `owner' may see everything, and make the
%% change that the request asks for. A `stranger' may only learn that the node is alive, and log in;
%% after too many wrong tokens the answer is `wait'. A `visitor' follows a link from a foreign page
%% to ours. A `refused' request gets no content.
-spec authorise(request()) ->
          {owner, who()} | visitor | stranger | wait | {refused, Why :: binary()}.
authorise(Request) -> gen_server:call(?MODULE, {authorise, Request}).

%% @doc Opens a session for the right token. Returns its cookie, and the key for the page.
-spec login(Token :: binary(), request()) ->
          {ok, Cookie :: iodata(), Key :: binary()} | wrong | wait | needless.
login(Token, Request) -> gen_server:call(?MODULE, {login, Token, Request}).

%% @doc Ends a session. Returns the header that removes its cookie.
-spec logout({who(), request()}) -> {ok, Cookie :: iodata()}.
logout({Who, Request}) -> gen_server:call(?MODULE, {logout, Who, Request}).

%% @doc Ties the caller, an event stream, to its session: it exits when the session ends.
-spec watch(who()) -> ok | over.
watch({session, Id}) -> gen_server:call(?MODULE, {watch, Id});
watch(_Who) -> ok.

%% @doc Ends all sessions and returns their number: 0 if no dashboard runs.
-spec end_sessions() -> non_neg_integer().
end_sessions() ->
    try gen_server:call(?MODULE, end_sessions, infinity)
    catch exit:{noproc, _} -> 0
    end.

%% @doc Adds an entry to the audit: what was done, its details and its result, and by whom.
-spec audit(What :: atom(), Details :: #{atom() => term()}, {who(), request()}) -> ok.
audit(What, Details, By) -> gen_server:cast(?MODULE, {audit, What, Details, By}).

%% @doc Counts a refused request. The audit gets the counts once a minute.
-spec refused(Why :: atom(), request()) -> ok.
refused(Why, #{peer := Peer}) -> gen_server:cast(?MODULE, {refused, Why, Peer}).

%%% ---- server -----------------------------------------------------------------------------

init(#{port := Port, address := Address, hosts := Hosts} = Options) ->
    process_flag(trap_exit, true),
    Given = [string:lowercase(binary_to_list(Host)) || Host <- Hosts],
    _ = erlang:send_after(?MINUTE_MS, self(), minute),
    {ok, #state{port = Port, address = Address,
                scheme = case Options of #{ssl := _} -> https; _ -> http end,
                token = maps:get(token, Options, none),
                hosts = Given, names = ["localhost", inet:ntoa(Address) | Given],
                audit = open_audit()}}.

open_audit() ->
    case cambrian_data_dir:path([<<"audit">>, <<"dashboard">>]) of
        {ok, Dir} -> cambrian_audit:open(Dir);
        none -> cambrian_audit:open(none);
        {error, Reason} ->
            logger:error("cambrian: no audit of the dashboard: ~0tp", [Reason]),
            cambrian_audit:open(none)
    end.

handle_call(url, _From, #state{address = Address, scheme = Scheme, token = Token} = State) ->
    Port = integer_to_list(State#state.port),
    Query = [["?token=", Token()] || Token =/= none],
    Url = [atom_to_list(Scheme), "://", host_name(Address), $:, Port, $/, Query],
    {reply, iolist_to_binary(Url), State};
handle_call({authorise, Request}, _From, #state{hosts = Hosts} = State) ->
    case cambrian_dashboard_origin:is_foreign(Request, Hosts) of
        false -> authorise_own(Request, State);
        true -> authorise_foreign(Request, State)
    end;
handle_call({login, Given, Request}, _From, #state{token = none} = State)
  when is_binary(Given), is_map(Request) ->
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
    Origin = cambrian_dashboard_origin:of_request(Request),
    Cookie = cambrian_dashboard_sessions:cookie(<<>>, Origin),
    Audited = audited(logout, #{}, {Who, Request}, State),
    {reply, {ok, Cookie}, close([Id || {session, Id} <- [Who]], Audited)};
handle_call({watch, Id}, {Pid, _}, #state{sessions = Sessions, streams = Streams} = State) ->
    case cambrian_dashboard_sessions:is_open(Id, Sessions) of
        true -> {reply, ok, State#state{streams = Streams#{monitor(process, Pid) => {Pid, Id}}}};
        false -> {reply, over, State}
    end;
handle_call(end_sessions, _From, #state{sessions = Sessions} = State) ->
    {Ids, None} = cambrian_dashboard_sessions:close_all(Sessions),
    Audited = line(end_sessions, #{count => length(Ids)}, State#state{sessions = None}),
    {reply, length(Ids), close(Ids, Audited)};
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

handle_cast({audit, What, Details, By}, State) -> {noreply, audited(What, Details, By, State)};
handle_cast({refused, Why, Peer}, State) -> {noreply, count(Why, #{peer => Peer}, State)};
handle_cast(_, State) -> {noreply, State}.

handle_info(minute, #state{sessions = Sessions, streams = Streams} = State) ->
    _ = erlang:send_after(?MINUTE_MS, self(), minute),
    InUse = [Id || {_, Id} <- maps:values(Streams)],
    {Over, Left} = cambrian_dashboard_sessions:expire(InUse, now_ms(), Sessions),
    Audited = lists:foldl(fun(Id, Next) -> line(session_over, #{session => Id}, Next) end,
                          State#state{sessions = Left}, Over),
    {noreply, (close(Over, audit_refusals(Audited)))#state{failures = #{}}};
handle_info({'DOWN', Monitor, process, _, _}, #state{streams = Streams} = State) ->
    {noreply, State#state{streams = maps:remove(Monitor, Streams)}};
handle_info(_, State) -> {noreply, State}.

%% A report of a crash has the last message, and that may be a token or a cookie.
format_status(Status) -> maps:map(fun without_message/2, Status).

without_message(message, _Message) -> hidden;
without_message(log, _Log) -> [];
without_message(_, Value) -> Value.

terminate(_Reason, State) ->
    #state{audit = Audit} = audit_refusals(State),
    cambrian_audit:close(Audit).

%% The host in the URL is an address where possible: not every machine knows the name `localhost'.
host_name(Any) when Any =:= {0, 0, 0, 0}; Any =:= {0, 0, 0, 0, 0, 0, 0, 0} ->
    {ok, Name} = inet:gethostname(),
    Name;
host_name(Address) when tuple_size(Address) =:= 8 -> [$[, inet:ntoa(Address), $]];
host_name(Address) -> inet:ntoa(Address).

now_ms() -> erlang:monotonic_time(millisecond).

%%% ---- authorisation ----------------------------------------------------------------------

%% With a token, a link from a foreign page leads over `/enter', which then opens the page by
%% itself.
authorise_foreign(#{path := Path} = Request, #state{token = Token} = State) ->
    case cambrian_dashboard_origin:is_visit(Request) andalso Path of
        <<"/">> when Token =/= none -> {reply, visitor, State};
        <<"/enter">> when Token =/= none -> {reply, stranger, State};
        <<"/">> -> authorise_own(Request, State);
        _ ->
            {reply, {refused, <<"the request came from another page">>},
             count(other_page, Request, State)}
    end.

authorise_own(Request, #state{token = none, names = Names} = State) ->
    case lists:member(cambrian_dashboard_origin:host(Request), Names) of
        true -> check_header(anyone, Request, State);
        false ->
            {reply,
             {refused, <<"the dashboard is not known under this name; see the option hosts">>},
             count(other_name, Request, State)}
    end;
authorise_own(#{method := <<"POST">>, path := <<"/login">>}, State) ->
    {reply, stranger, State};
authorise_own(#{headers := Headers} = Request,
              #state{token = Token, sessions = Sessions} = State) ->
    case proplists:get_value(<<"authorization">>, Headers) of
        undefined ->
            Origin = cambrian_dashboard_origin:of_request(Request),
            Lines = proplists:get_all_values(<<"cookie">>, Headers),
            Cookies = cambrian_dashboard_sessions:cookies(Lines, Origin),
            case cambrian_dashboard_sessions:find(Cookies, Origin, now_ms(), Sessions) of
                {ok, Id, Used} ->
                    check_header({session, Id}, Request, State#state{sessions = Used});
                none -> {reply, stranger, State}
            end;
        Given ->
            case is_same(bearer(Given), Token()) of
                true -> check_header(token, Request, State);
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

%% A change needs the header `x-cambrian', which browsers do not let a page of a foreign origin
%% send. In a session, its value must be the key of the session. Only a logout needs no key, so that
%% a browser that lost the key can end the session.
check_header({session, _} = Who, #{method := <<"POST">>, path := <<"/logout">>}, State) ->
    {reply, {owner, Who}, State};
check_header(Who, #{method := <<"POST">>, headers := Headers} = Request,
             #state{sessions = Sessions} = State) ->
    Value = proplists:get_value(<<"x-cambrian">>, Headers, <<>>),
    IsRight = case Who of
                  {session, Id} -> cambrian_dashboard_sessions:may_change(Id, Value, Sessions);
                  _ -> Value =/= <<>>
              end,
    case {IsRight, Who} of
        {true, _} -> {reply, {owner, Who}, State};
        {false, {session, _}} ->
            Why = <<"the header x-cambrian is missing, or of another session: log in again">>,
            {reply, {refused, Why}, count(no_mark, Request, State)};
        %% Every such request gets a line in the audit, because only owners of the token can send
        %% one.
        {false, token} ->
            Audited = audited(refused, #{reason => no_mark}, {Who, Request}, State),
            {reply, {refused, ?NO_HEADER}, Audited};
        {false, anyone} ->
            {reply, {refused, ?NO_HEADER}, count(no_mark, Request, State)}
    end;
check_header(Who, _Request, State) -> {reply, {owner, Who}, State}.

%% Compares hashes in constant time, so the time tells nothing about the token.
is_same(Given, Token) ->
    crypto:hash_equals(crypto:hash(sha256, Given), crypto:hash(sha256, Token)).

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
    {Id, Ended, Opened} =
        cambrian_dashboard_sessions:open({Cookie, Key}, Origin, now_ms(), Sessions),
    Next = audited(login, #{}, {{session, Id}, Request}, State#state{sessions = Opened}),
    {reply, {ok, cambrian_dashboard_sessions:cookie(Cookie, Origin), Key}, close(Ended, Next)}.

%% Closes sessions and their event streams.
close(Ids, #state{sessions = Sessions, streams = Streams} = State) ->
    _ = [exit(Pid, shutdown) || {Pid, Id} <- maps:values(Streams), lists:member(Id, Ids)],
    State#state{sessions = lists:foldl(fun cambrian_dashboard_sessions:close/2, Sessions, Ids)}.

%%% ---- audit ------------------------------------------------------------------------------

audited(What, Details, {Who, #{peer := Peer}}, State) ->
    Bounded = maps:map(fun bounded/2, Details),
    line(What, maps:merge(Bounded, (by(Who))#{address => address(Peer)}), State).

bounded(_, Text) when is_binary(Text) ->
    binary:part(Text, 0, min(byte_size(Text), ?MAX_AUDITED_BYTES));
bounded(_, Other) -> Other.

by({session, Id}) -> #{by => session, session => Id};
by(Who) -> #{by => Who}.

address({Block, 64}) -> list_to_binary([inet:ntoa(Block), "/64"]);
address(Address) -> list_to_binary(inet:ntoa(Address)).

line(What, Details, #state{audit = Audit} = State) ->
    Now = erlang:system_time(millisecond),
    State#state{audit = cambrian_audit:decided(Now, What, Details, Audit)}.

%% Strangers add at most two lines a minute to the audit: they cannot push out the changes of
%% owners.
count(Why, #{peer := Peer}, #state{refused = Refused} = State) when map_size(Refused) =:= 0 ->
    line(refused, #{reason => Why, address => address(Peer)},
         State#state{refused = Refused#{Why => 0}});
count(Why, _Request, #state{refused = Refused} = State) ->
    State#state{refused = maps:update_with(Why, fun(N) -> N + 1 end, 1, Refused)}.

audit_refusals(#state{refused = Refused} = State) ->
    Cleared = State#state{refused = #{}},
    case maps:filter(fun(_, N) -> N > 0 end, Refused) of
        None when None =:= #{} -> Cleared;
        More -> line(refused_more, More, Cleared)
    end.
