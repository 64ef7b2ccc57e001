%% @private
%% Cambrian called from Erlang, as a contestant of bench/speed.
%%
%% The first line is `empty', or `activate GENOTYPE INPUTS', both in hexadecimal. After `ok NAME' every line is a
%% number of calls, answered by the seconds that they took.
-module(from_erlang).
-export([main/0, empty/2]).

main() ->
    case string:lexemes(io:get_line(""), " \n") of
        ["empty"] ->
            Library = filename:join(filename:dirname(code:which(?MODULE)), "empty"),
            case erlang:load_nif(Library, 0) of
                ok -> serve("an empty NIF", fun(N) -> empties(N, self(), <<>>) end);
                {error, {_, Text}} -> io:format("~ts~n", [Text])
            end;
        ["activate", Genes, Numbers] ->
            {ok, Genotype} = cambrian_genotype:from_binary(binary:decode_hex(list_to_binary(Genes))),
            Network = cambrian_network:compile(Genotype),
            Inputs = binary:decode_hex(list_to_binary(Numbers)),
            true = is_binary(cambrian_network:activate(Network, Inputs)),
            serve("cambrian from Erlang", fun(N) -> activate(N, Network, Inputs) end)
    end,
    halt().

serve(Name, Run) ->
    io:format("ok ~s~n", [Name]),
    answer(Run, io:get_line("")).

answer(_Run, eof) ->
    ok;
answer(Run, Line) ->
    Start = erlang:monotonic_time(nanosecond),
    Run(list_to_integer(string:trim(Line))),
    Took = erlang:monotonic_time(nanosecond) - Start,
    io:format("~w~n", [Took / 1.0e9]),
    answer(Run, io:get_line("")).

%% Each in a loop of its own, so that nothing but the call is in it.
activate(0, _Network, _Inputs) ->
    ok;
activate(N, Network, Inputs) ->
    cambrian_network:activate(Network, Inputs),
    activate(N - 1, Network, Inputs).

empties(0, _A, _B) ->
    ok;
empties(N, A, B) ->
    ?MODULE:empty(A, B),
    empties(N - 1, A, B).

empty(_A, _B) -> erlang:nif_error(not_loaded).
