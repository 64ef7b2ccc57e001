%% @private
%% Answers requests, depending on the client. No text of a request becomes an atom or a file name.
-module(cambrian_dashboard_server).

-export([authorise/1, kind/2, answer/2, full/1, refuse/3]).

-type request() :: cambrian_dashboard_http:request().
-type answer() :: cambrian_dashboard_http:answer().
%% `login' is a client that sends a token in a form.
-type client() :: {owner, cambrian_dashboard_access:who()} | login | stranger.

-define(CHANGE_MS, 5_000).
-define(CHANGES, [<<"/pause">>, <<"/resume">>, <<"/ban">>, <<"/unban">>]).
-define(CHALLENGE, {"www-authenticate", "Bearer"}).

%% @doc Identifies the client before its body is read, or answers a client that may not send a body.
-spec authorise(request()) -> {continue, client()} | {answer, answer()}.
authorise(Request) ->
    guarded(fun() -> client(cambrian_dashboard_access:authorise(Request), Request) end,
            fun(Answer) -> {answer, Answer} end).

%% A token in the URL logs in, even an owner.
client({owner, _} = Owner, Request) ->
    case token(Request) of
        {ok, Token} -> {answer, login(Token, Request, {303, [{"location", "./"}], <<>>})};
        none -> {continue, Owner}
    end;
client({refused, Why}, _Request) -> {answer, refuse(403, [], Why)};
client(visitor, Request) ->
    case token(Request) of
        {ok, Token} -> {answer, login(Token, Request, locked_page())};
        none -> {answer, protected({303, [{"location", "enter"}], <<>>})}
    end;
client(wait, #{path := Path}) when Path =/= <<"/health">> -> {answer, wait()};
client(stranger, #{method := <<"POST">>, path := <<"/login">>}) -> {continue, login};
client(_Stranger, Request) ->
    case token(Request) of
        {ok, Token} -> {answer, login(Token, Request, locked_page())};
        none -> {continue, stranger}
    end.

token(#{method := <<"GET">>, path := <<"/">>, query := #{<<"token">> := Token}}) -> {ok, Token};
token(_Request) -> none.

%% The page at `enter' reads the key from the fragment of the URL, which browsers send to no server,
%% and then opens the dashboard without the token in the URL.
login(Token, Request, Otherwise) ->
    case cambrian_dashboard_access:login(Token, Request) of
        {ok, Cookie, Key} ->
            protected({303, [{"set-cookie", Cookie}, {"location", ["enter#", Key]}], <<>>});
        needless -> protected({303, [{"location", "./"}], <<>>});
        wait -> wait();
        wrong -> protected(Otherwise)
    end.

wait() -> refuse(429, [{"retry-after", "60"}], <<"too many wrong tokens; wait a minute">>).

%% Every client may know whether the node is alive.
locked(#{method := Method, path := Path} = Request) ->
    case lists:member(Method, [<<"GET">>, <<"HEAD">>]) andalso Path of
        <<"/health">> -> cambrian_dashboard_health:brief();
        <<"/icon.svg">> -> cambrian_dashboard_page:file(<<"icon.svg">>);
        <<"/enter">> -> cambrian_dashboard_page:file(<<"enter.html">>);
        <<"/enter.js">> -> cambrian_dashboard_page:file(<<"enter.js">>);
        <<"/">> -> locked_page();
        _ ->
            _ = [cambrian_dashboard_access:refused(not_logged_in, Request)
                 || lists:member(Path, ?CHANGES)],
            bare(401, [?CHALLENGE], <<"a token is needed">>)
    end.

locked_page() ->
    {_, Headers, Page} = cambrian_dashboard_page:file(<<"locked.html">>),
    {401, [?CHALLENGE | Headers], Page}.

%% @doc Returns the kind of connection that a request needs.
-spec kind(client(), request()) -> cambrian_dashboard_connections:kind().
kind({owner, _}, #{method := <<"GET">>, path := <<"/events">>}) -> watching;
kind(_Client, #{method := Method, path := <<"/health">>}) when Method =/= <<"POST">> -> health;
kind(_Client, _Request) -> asking.

%% @doc Answers when there are too many connections of a kind.
-spec full(address | all) -> answer().
full(address) ->
    Why = <<"too many at once from this address; try again">>,
    refuse(429, [{"retry-after", "1"}], Why);
full(all) ->
    refuse(503, [{"retry-after", "1"}], <<"too many at once; try again">>).

-spec answer(client(), request()) ->
          answer()
          | {stream, [{string(), iodata()}], fun((cambrian_dashboard_socket:socket()) -> ok)}.
answer(Client, Request) ->
    guarded(fun() -> answer_client(Client, Request) end, fun(Answer) -> Answer end).

answer_client(login, #{body := Body} = Request) ->
    login(maps:get(<<"token">>, Body, <<>>), Request, locked_page());
answer_client(stranger, Request) ->
    protected(locked(Request));
answer_client({owner, Who}, Request) ->
    protected(route(Request, Who)).

%% A process that the fun calls may be restarting after a crash, or may not answer.
guarded(Fun, Wrap) ->
    try Fun()
    catch exit:_ -> Wrap(refuse(503, [{"retry-after", "5"}], <<"no answer; try again">>))
    end.

route(#{method := <<"POST">>} = Request, Who) -> change(Request, Who);
route(#{method := Method} = Request, Who) when Method =:= <<"GET">>; Method =:= <<"HEAD">> ->
    show(Request, Who);
route(_Request, _Who) ->
    bare(405, [{"allow", "GET, HEAD, POST"}], <<"only GET, HEAD and POST">>).

show(#{path := <<"/">>}, _Who) -> cambrian_dashboard_page:file(<<"index.html">>);
show(#{path := <<"/enter">>}, _Who) -> cambrian_dashboard_page:file(<<"enter.html">>);
show(#{path := <<"/health">>}, _Who) -> cambrian_dashboard_health:full();
show(#{path := <<"/metrics">>}, _Who) -> cambrian_dashboard_metrics:answer();
show(#{path := <<"/session">>}, Who) ->
    json(200, #{session => case Who of {session, _} -> true; _ -> false end});
show(#{path := <<"/events">>, method := <<"GET">>}, Who) ->
    case cambrian_dashboard_access:watch(Who) of
        ok -> cambrian_dashboard_stream:open();
        over -> bare(401, [?CHALLENGE], <<"the session is over">>)
    end;
show(#{path := <<"/events">>}, _Who) -> {200, [{"content-type", "text/event-stream"}], <<>>};
show(#{path := <<"/picture/", Name/binary>>, query := Query}, _Who) ->
    cambrian_dashboard_pictures:answer(Name, Query);
show(#{path := <<"/", File/binary>> = Path}, _Who) ->
    case cambrian_dashboard_page:file(File) of
        none -> unknown_or_change(Path);
        Answer -> Answer
    end;
show(_Request, _Who) -> nothing().

unknown_or_change(Path) ->
    case lists:member(Path, [<<"/login">>, <<"/logout">> | ?CHANGES]) of
        true -> bare(405, [{"allow", "POST"}], <<"only POST">>);
        false -> nothing()
    end.

nothing() -> bare(404, [], <<"there is nothing here">>).

%%% ---- changes ----------------------------------------------------------------------------

change(#{path := <<"/login">>}, _Who) -> {303, [{"location", "./"}], <<>>};
change(#{path := <<"/logout">>} = Request, Who) ->
    {ok, Cookie} = cambrian_dashboard_access:logout({Who, Request}),
    {Status, Headers, Body} = json(200, #{ok => true}),
    {Status, [{"set-cookie", Cookie} | Headers], Body};
change(#{path := Path, body := Body} = Request, Who) ->
    Change = cambrian_async:start(fun() -> cambrian_dashboard_change:make(Path, Body) end),
    Done = cambrian_async:await(Change, ?CHANGE_MS),
    {Status, _, _} = Answer = changed(Done),
    Details = (details(Body))#{status => Status},
    _ = [cambrian_dashboard_access:audit(cambrian_dashboard_change:name(Path), Details,
                                         {Who, Request})
         || lists:member(Path, ?CHANGES)],
    Answer.

changed({ok, ok}) ->
    cambrian_dashboard_state:refresh(),
    json(200, #{ok => true});
changed({ok, {error, Status, Why}}) -> bare(Status, [], Why);
changed({error, _}) -> bare(404, [], <<"it has just gone">>);
changed(timeout) -> bare(504, [], <<"no answer within 5 s">>).

%% The audit gets the fields of the request.
details(Body) ->
    Fields = [{population, <<"population">>}, {realm, <<"realm">>}, {whom, <<"key">>},
              {reason, <<"reason">>}],
    maps:from_list([{Name, Value} || {Name, Field} <- Fields, #{Field := Value} <- [Body]]).

%%% ---- the answer -------------------------------------------------------------------------

%% @doc Makes an error answer, with the reason in JSON.
-spec refuse(Status :: 400..599, [{string(), iodata()}], Why :: binary()) -> answer().
refuse(Status, Headers, Why) -> protected(bare(Status, Headers, Why)).

bare(Status, Headers, Why) ->
    {_, Type, Body} = json(Status, #{error => Why}),
    {Status, Type ++ Headers, Body}.

json(Status, Facts) ->
    {Status, [{"content-type", "application/json"}], cambrian_json:encode(Facts)}.

%% The page loads nothing from other origins, and other origins cannot embed it.
protected({stream, Headers, Run}) -> {stream, Headers ++ protection(), Run};
protected({Status, Headers, Body}) -> {Status, Headers ++ protection(), Body}.

protection() ->
    [{"content-security-policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
      "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
     {"x-content-type-options", "nosniff"}, {"referrer-policy", "same-origin"},
     {"cross-origin-resource-policy", "same-origin"},
     {"cross-origin-opener-policy", "same-origin"}, {"cache-control", "no-store"}].
