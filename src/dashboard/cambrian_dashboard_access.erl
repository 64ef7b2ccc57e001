%% @private
%% Who may see the dashboard, and who may change something.
%%
%% With a token: whoever has it. Without one it listens on this machine only, and what must be kept out are the pages of
%% others in a browser here. They reach it under a name of their own (DNS rebinding), so the name must be one of ours; they
%% can send it requests, but none with a header of our own, and not without their origin.
-module(cambrian_dashboard_access).
-behaviour(gen_server).

-export([start_link/1, enter/1, url/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export_type([request/0]).

%% Headers have lowercase names; `query' is that of the URL.
-type request() :: #{method := string(), headers := [{string(), string()}], query := #{binary() => binary()},
                     peer := string(), atom() => term()}.

-record(state, {port :: inet:port_number(), address :: inet:ip_address(),
                token :: none | fun(() -> binary()),
                %% under which the page is reached: those that a proxy may have given it, and all
                hosts :: [string()], names :: [string()],
                %% of those that came with a wrong token
                failures = #{} :: #{Peer :: string() => {Count :: pos_integer(), Since :: integer()}}}).

%% So many wrong tokens of one address are looked at in that time.
-define(MAX_FAILURES, 10).
-define(WINDOW_MS, 60_000).
-define(MAX_PEERS, 1000).

-spec start_link(map()) -> {ok, pid()} | {error, term()}.
start_link(Options) -> gen_server:start_link({local, ?MODULE}, ?MODULE, Options, []).

%% @doc Where the page is, with its token.
-spec url() -> binary().
url() -> cambrian_app:call(?MODULE, url).

%% @doc `owner' may see and do all; a cookie is for who came with the token in the URL. `stranger' may be told that the node
%% lives, and `refused' nothing at all.
-spec enter(request()) -> {owner, Cookie :: none | string()} | {stranger | refused, Why :: binary()}.
enter(#{method := Method, headers := Headers} = Request) ->
    case is_own_page(Headers) andalso (Method =:= "GET" orelse Method =:= "HEAD" orelse is_deliberate(Headers)) of
        true -> gen_server:call(?MODULE, {enter, Request});
        false -> {refused, <<"the request came from another page, or lacks the header x-cambrian">>}
    end.

%% Which browsers let no page of another origin send.
is_deliberate(Headers) -> proplists:get_value("x-cambrian", Headers, "") =/= "".

%% What a page sends has its origin. A proxy may give another name to us than to the browser: see `hosts'.
is_own_page(Headers) ->
    case proplists:get_all_values("origin", Headers) of
        [] -> true;
        [Origin] -> authority(Origin) =:= authority("http://" ++ proplists:get_value("host", Headers, ""))
                        orelse gen_server:call(?MODULE, {is_host, host(Origin)});
        _ -> false
    end.

authority(Url) ->
    case uri_string:parse(string:lowercase(Url)) of
        #{host := Host} = Parts -> {Host, maps:get(port, Parts, default)};
        _ -> none
    end.

host(Url) ->
    case authority(Url) of
        {Host, _} -> Host;
        none -> ""
    end.

%%% ---- server -----------------------------------------------------------------------------

init(#{port := Port, address := Address, hosts := Hosts} = Options) ->
    Given = [string:lowercase(binary_to_list(Host)) || Host <- Hosts],
    {ok, #state{port = Port, address = Address, token = maps:get(token, Options, none), hosts = Given,
                names = ["localhost", inet:ntoa(Address) | Given]}}.

handle_call(url, _From, #state{port = Port, address = Address, token = Token} = State) ->
    Query = [["?token=", Token()] || Token =/= none],
    {reply, iolist_to_binary(["http://", name(Address), $:, integer_to_list(Port), $/, Query]), State};
handle_call({is_host, Name}, _From, #state{hosts = Hosts} = State) ->
    {reply, lists:member(Name, Hosts), State};
handle_call({enter, #{headers := Headers}}, _From, #state{token = none, names = Names} = State) ->
    case lists:member(host("http://" ++ proplists:get_value("host", Headers, "")), Names) of
        true -> {reply, {owner, none}, State};
        false -> {reply, {refused, <<"the dashboard is not known under this name; see the option hosts">>}, State}
    end;
handle_call({enter, #{peer := Peer} = Request}, _From, #state{token = Token, failures = Failures} = State) ->
    Now = erlang:monotonic_time(millisecond),
    case {credential(Request), is_patient(Peer, Now, Failures)} of
        {none, _} -> {reply, {stranger, <<"a token is needed">>}, State};
        {_, false} -> {reply, {stranger, <<"too many wrong tokens; wait a minute">>}, State};
        {{How, Given}, true} ->
            case is_same(Given, Token()) of
                true when How =:= url -> {reply, {owner, cookie(Request, Given)}, State};
                true -> {reply, {owner, none}, State};
                false -> {reply, {stranger, <<"a token is needed">>}, State#state{failures = failed(Peer, Now, Failures)}}
            end
    end;
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

handle_cast(_, State) -> {noreply, State}.

handle_info(_, State) -> {noreply, State}.

%% What somebody types who is to come here. Not every machine knows the name `localhost'.
name(Any) when Any =:= {0, 0, 0, 0}; Any =:= {0, 0, 0, 0, 0, 0, 0, 0} ->
    {ok, Name} = inet:gethostname(),
    Name;
name(Address) when tuple_size(Address) =:= 8 -> [$[, inet:ntoa(Address), $]];
name(Address) -> inet:ntoa(Address).

%%% ---- tokens -----------------------------------------------------------------------------

credential(#{headers := Headers, query := Query} = Request) ->
    Cookie = cookie_name(Request) ++ "=",
    Cookies = [string:trim(Pair) || {"cookie", Line} <- Headers, Pair <- string:split(Line, ";", all)],
    case {proplists:get_value("authorization", Headers), Query, [Pair || Pair <- Cookies, lists:prefix(Cookie, Pair)]} of
        {"Bearer " ++ Token, _, _} -> {header, list_to_binary(string:trim(Token))};
        {_, #{<<"token">> := Token}, _} -> {url, Token};
        {_, _, [Pair | _]} -> {cookie, list_to_binary(lists:nthtail(length(Cookie), Pair))};
        _ -> none
    end.

%% A browser keeps the cookies of all ports of a machine together.
cookie_name(#{headers := Headers}) ->
    case authority("http://" ++ proplists:get_value("host", Headers, "")) of
        {_, Port} when is_integer(Port) -> "cambrian_" ++ integer_to_list(Port);
        _ -> "cambrian"
    end.

cookie(Request, Token) ->
    cookie_name(Request) ++ "=" ++ binary_to_list(Token) ++ "; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000".

%% In a time that tells nothing of either.
is_same(Given, Token) -> crypto:hash_equals(crypto:hash(sha256, Given), crypto:hash(sha256, Token)).

is_patient(Peer, Now, Failures) ->
    case Failures of
        #{Peer := {Count, Since}} -> Count < ?MAX_FAILURES orelse Now - Since >= ?WINDOW_MS;
        _ -> true
    end.

failed(Peer, Now, Failures) ->
    case Failures of
        #{Peer := {Count, Since}} when Now - Since < ?WINDOW_MS -> Failures#{Peer := {Count + 1, Since}};
        _ -> (with_room(Now, Failures))#{Peer => {1, Now}}
    end.

with_room(_Now, Failures) when map_size(Failures) < ?MAX_PEERS -> Failures;
with_room(Now, Failures) ->
    case maps:filter(fun(_, {_, Since}) -> Now - Since < ?WINDOW_MS end, Failures) of
        Full when map_size(Full) >= ?MAX_PEERS -> #{};
        Left -> Left
    end.
