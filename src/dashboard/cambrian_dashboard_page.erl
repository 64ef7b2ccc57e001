%% @private
%% The files of the page: they lie beside the native library, where the build puts them.
-module(cambrian_dashboard_page).

-export([file/1]).

%% @doc Of these names only: no path is made of what was asked for.
-spec file(Name :: binary()) -> {200, [{string(), string()}], iodata()} | none.
file(<<"index.html">>) -> {200, html(), read("index.html")};
file(<<"locked.html">>) -> {200, html(), read("locked.html")};
file(<<"enter.html">>) -> {200, html(), read("enter.html")};
file(<<"enter.js">>) -> {200, [{"content-type", "text/javascript; charset=utf-8"}], read("enter.js")};
file(<<"dashboard.js">>) -> {200, [{"content-type", "text/javascript; charset=utf-8"}], read("dashboard.js")};
file(<<"dashboard.css">>) ->
    {200, [{"content-type", "text/css; charset=utf-8"}], [cambrian_theme:style(), colours(), read("dashboard.css")]};
file(<<"icon.svg">>) -> {200, [{"content-type", "image/svg+xml"}], read("icon.svg")};
file(_) -> none.

html() -> [{"content-type", "text/html; charset=utf-8"}].

read(Name) ->
    {ok, Bytes} = file:read_file(filename:join([code:priv_dir(cambrian), "native", "dashboard", Name])),
    Bytes.

%% Those of the pictures, for all else.
colours() ->
    [":root{color-scheme:light dark;", variables(1), "}\n@media (prefers-color-scheme:dark){:root{", variables(2), "}}\n"].

variables(Side) ->
    Palette = lists:sort(maps:to_list(cambrian_theme:palette())),
    [["--", atom_to_list(Name), ":", element(Side, Colour), ";"] || {Name, Colour} <- Palette].
