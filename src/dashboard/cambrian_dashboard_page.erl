%% @private
%% Reads the files of the page. The build puts them beside the native library.
-module(cambrian_dashboard_page).

-export([file/1]).

%% @doc Returns one of these files only: the name in a request never becomes a path.
-spec file(Name :: binary()) -> {200, [{string(), string()}], iodata()} | none.
file(<<"index.html">>) -> {200, html(), read("index.html")};
file(<<"locked.html">>) -> {200, html(), read("locked.html")};
file(<<"enter.html">>) -> {200, html(), read("enter.html")};
file(<<"enter.js">>) -> {200, script(), read("enter.js")};
file(<<"dashboard.js">>) -> {200, script(), read("dashboard.js")};
file(<<"dashboard.css">>) ->
    {200, [{"content-type", "text/css; charset=utf-8"}],
     [cambrian_theme:style(), colours(), read("dashboard.css")]};
file(<<"icon.svg">>) -> {200, [{"content-type", "image/svg+xml"}], read("icon.svg")};
file(_) -> none.

html() -> [{"content-type", "text/html; charset=utf-8"}].

script() -> [{"content-type", "text/javascript; charset=utf-8"}].

read(Name) ->
    Path = filename:join([code:priv_dir(cambrian), "native", "dashboard", Name]),
    {ok, Bytes} = file:read_file(Path),
    Bytes.

%% The page uses the colours of the pictures.
colours() ->
    [":root{color-scheme:light dark;", variables(1),
     "}\n@media (prefers-color-scheme:dark){:root{", variables(2), "}}\n"].

variables(Side) ->
    Palette = lists:sort(maps:to_list(cambrian_theme:palette())),
    [["--", atom_to_list(Name), ":", element(Side, Colour), ";"] || {Name, Colour} <- Palette].
