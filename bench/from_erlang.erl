%% @private
%% Cambrian called from Erlang, as a contestant of bench/speed.
%%
%% The first line is `empty', `activate GENOTYPE INPUTS', `term_to_binary GENOTYPE', `binary_to_term GENOTYPE' or
%% `receive GENOTYPE', in hexadecimal. After `ok NAME' every line is a
%% number of calls, answered by the seconds that they took.
-module(from_erlang).
-export([main/0, empty/2]).

-define(REALM, <<"org.example.lab">>).

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
            serve("cambrian from Erlang", fun(N) -> activate(N, Network, Inputs) end);
        ["term_to_binary", Genes] ->
            Map = cambrian_genotype:to_map(genotype(Genes)),
            serve(term_size(Map), fun(N) -> repeat(N, fun() -> term_to_binary(Map) end) end);
        ["binary_to_term", Genes] ->
            Map = cambrian_genotype:to_map(genotype(Genes)),
            Bytes = term_to_binary(Map),
            serve(term_size(Map), fun(N) -> repeat(N, fun() -> binary_to_term(Bytes) end) end);
        ["receive", Genes] ->
            {ok, _} = application:ensure_all_started(cambrian),
            ok = cambrian_trust:open(?REALM, #{rate => {1.0e9, 1.0e9}}),
            Genotype = genotype(Genes),
            serve("cambrian from Erlang", fun(N) -> envelopes(N, Genotype) end,
                  fun(Envelopes) -> lists:foreach(fun(Bytes) -> {ok, _, _} = cambrian_trust:check(?REALM, Bytes) end,
                                                  Envelopes) end)
    end,
    halt().

genotype(Genes) ->
    {ok, Genotype} = cambrian_genotype:from_binary(binary:decode_hex(list_to_binary(Genes))),
    Genotype.

term_size(Map) ->
    Sizes = [byte_size(term_to_binary(Map, Options)) || Options <- [[], [compressed]]],
    io_lib:format("term_to_binary of its map, ~b bytes, ~b compressed", Sizes).

%% What is read once only, as a sequence is.
envelopes(N, Genotype) ->
    Claims = #{realm => ?REALM, task => <<"double_pole">>, fitness => 1.0, generation => 100,
               parents => [<<1:256>>, <<2:256>>], operators => [crossover, perturb_weights],
               time => erlang:system_time(millisecond)},
    [begin
         {ok, Bytes} = cambrian_envelope:seal(Claims#{sequence => erlang:unique_integer([positive, monotonic])},
                                              Genotype, <<7:256>>),
         Bytes
     end || _ <- lists:seq(1, N)].

serve(Name, Run) -> serve(Name, fun(N) -> N end, Run).

%% The time that it takes to prepare is not counted.
serve(Name, Prepare, Run) ->
    io:format("ok ~s~n", [Name]),
    answer(Prepare, Run, io:get_line("")).

answer(_Prepare, _Run, eof) ->
    ok;
answer(Prepare, Run, Line) ->
    Prepared = Prepare(list_to_integer(string:trim(Line))),
    Start = erlang:monotonic_time(nanosecond),
    Run(Prepared),
    Took = erlang:monotonic_time(nanosecond) - Start,
    io:format("~w~n", [Took / 1.0e9]),
    answer(Prepare, Run, io:get_line("")).

repeat(0, _Run) ->
    ok;
repeat(N, Run) ->
    Run(),
    repeat(N - 1, Run).

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
