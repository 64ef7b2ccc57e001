%% @private
%% Decides from the headers of a browser which page sent a request. Only browsers send requests for
%% foreign pages.
-module(cambrian_dashboard_origin).

-export([of_request/1, host/1, is_foreign/2, is_visit/1]).

-type request() :: cambrian_dashboard_http:request().

%% @doc Returns our origin as the client sees it: the scheme, and the host and port of the request.
-spec of_request(request()) -> cambrian_dashboard_sessions:origin().
of_request(#{scheme := Scheme} = Request) ->
    {Scheme, string:lowercase(header(<<"host">>, Request, <<>>))}.

%% @doc Returns the host name in the request.
-spec host(request()) -> string().
host(Request) -> name(["http://", header(<<"host">>, Request, <<>>)]).

%% @doc Tells whether a page of another origin sent the request; another port of this host is
%% another origin. `Hosts' are the names that a proxy uses for us. Browsers since 2023 send the
%% answer in the header `sec-fetch-site'; older ones send `origin' or `referer'.
-spec is_foreign(request(), Hosts :: [string()]) -> boolean().
is_foreign(Request, Hosts) ->
    Origin = header(<<"origin">>, Request, none),
    case header(<<"sec-fetch-site">>, Request, none) of
        none when Origin =:= none ->
            not is_ours(header(<<"referer">>, Request, none), Request, Hosts);
        Site when Site =:= none; Site =:= <<"same-origin">>; Site =:= <<"none">> ->
            not is_ours(Origin, Request, Hosts);
        _ -> true
    end.

is_ours(none, _Request, _Hosts) -> true;
is_ours(Url, Request, Hosts) ->
    case authority(Url) of
        none -> false;
        {Name, _} = Authority ->
            Authority =:= authority(["http://", header(<<"host">>, Request, <<>>)])
                orelse lists:member(Name, Hosts)
    end.

%% @doc Tells whether the user follows a link, so that the browser shows our page and not part of
%% another page.
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
