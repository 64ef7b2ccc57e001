%% A device that is a terminal with so many columns, or no terminal, and keeps the text that is
%% written to it.
-module(cambrian_screen).
-export([start/1, read/1]).

start(Columns) -> spawn_link(fun() -> show(Columns, []) end).

read(Screen) ->
    Screen ! {read, self()},
    receive {Screen, Text} -> Text end.

show(Columns, Said) ->
    receive
        {io_request, From, As, {get_geometry, columns}} when Columns =/= none ->
            From ! {io_reply, As, Columns}, show(Columns, Said);
        {io_request, From, As, {put_chars, _, M, F, A}} ->
            From ! {io_reply, As, ok}, show(Columns, [Said | apply(M, F, A)]);
        {io_request, From, As, {put_chars, _, Text}} ->
            From ! {io_reply, As, ok}, show(Columns, [Said | unicode:characters_to_list(Text)]);
        {io_request, From, As, _} ->
            From ! {io_reply, As, {error, enotsup}}, show(Columns, Said);
        {read, From} ->
            From ! {self(), lists:flatten(Said)}, show(Columns, Said)
    end.
