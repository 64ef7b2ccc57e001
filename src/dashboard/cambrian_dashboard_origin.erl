%% @private
%% From where a request was sent, by what a browser says of it: only browsers carry requests of others.
-module(cambrian_dashboard_origin).

-export([of_request/1, host/1, is_foreign/2, is_visit/1]).

-type request() :: cambrian_dashboard_http:request().

%% @doc The origin that the client sees: with the name and the port under which it reached us.
-spec of_request(request()) -> cambrian_dashboard_sessions:origin().
of_request(#{scheme := Scheme} = Request) -> {Scheme, string:lowercase(header(<<"host">>, Request, <<>>))}.

%% @doc The name under which it was reached.
-spec host(request()) -> string().
host(Request) -> name(["http://", header(<<"host">>, Request, <<>>)]).

%% @doc Whether a page of another origin sent it, also of another port of this host. `Hosts' are names that a proxy has for us.
%% Browsers from 2023 on say it themselves (Sec-Fetch-Site); the others give the origin, or where they come from.
-spec is_foreign(request(), Hosts :: [string()]) -> boolean().
is_foreign(Request, Hosts) ->
    case header(<<"sec-fetch-site">>, Request, none) of
        none -> not is_ours(header(<<"origin">>, Request, header(<<"referer">>, Request, none)), Request, Hosts);
        Site when Site =:= <<"same-origin">>; Site =:= <<"none">> -> not is_ours(header(<<"origin">>, Request, none), Request, Hosts);
        _ -> true
    end.

is_ours(none, _Request, _Hosts) -> true;
is_ours(Url, Request, Hosts) ->
    case authority(Url) of
        none -> false;
        {Name, _} = Authority ->
            Authority =:= authority(["http://", header(<<"host">>, Request, <<>>)]) orelse lists:member(Name, Hosts)
    end.

%% @doc Whether somebody follows a link to a page, which a browser then shows by itself.
-spec is_visit(request()) -> boolean().
is_visit(#{method := Method} = Request) ->
    Method =:= <<"GET">> andalso header(<<"sec-fetch-mode">>, Request, none) =:= <<"navigate">>
        andalso header(<<"sec-fetch-dest">>, Request, none) =:= <<"document">>.

name(Url) ->
    case authority(Url) of
        {Name, _} -> Name;
        none -> ""
    end.

authority(Url) ->
    case uri_string:parse(string:lowercase(unicode:characters_to_list(Url, latin1))) of
        #{host := Host} = Parts -> {Host, maps:get(port, Parts, default)};
        _ -> none
    end.

header(Name, #{headers := Headers}, Default) -> proplists:get_value(Name, Headers, Default).
