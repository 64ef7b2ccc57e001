-module(cambrian_newcomer_queue_tests).
-include_lib("eunit/include/eunit.hrl").

newcomer(From) -> newcomer(From, 1).
newcomer(From, Size) -> #{genotype => make_ref(), size => Size, from => From, told => false}.

add(Newcomer, Queue) ->
    {ok, More} = cambrian_newcomer_queue:add(Newcomer, Queue),
    More.

add_all(All, Queue) -> lists:foldl(fun add/2, Queue, All).

who(Measured) -> [From || {#{from := From}, _} <- Measured].

%% Newcomers that arrive during a measurement wait for the next one.
newcomers_are_measured_in_order_of_arrival_test() ->
    All = [#{genotype := A}, #{genotype := B}, _, _] = [newcomer(From) || From <- [a, b, c, d]],
    {[A, B, _, _], Measuring} =
        cambrian_newcomer_queue:start_measuring(add_all(All, cambrian_newcomer_queue:new())),
    More = add(newcomer(e), Measuring),
    {Measured, Next} =
        cambrian_newcomer_queue:measured([1.0, {2.0, [0.0], []}, failed, late], More),
    ?assertMatch([{#{from := a}, 1.0}, {#{from := b}, {2.0, [0.0], []}}, {#{from := c}, failed},
                  {#{from := d}, late}], Measured),
    {[_], Last} = cambrian_newcomer_queue:start_measuring(Next),
    {[{#{from := e}, 4.0}], None} = cambrian_newcomer_queue:measured([4.0], Last),
    ?assertMatch({[], _}, cambrian_newcomer_queue:start_measuring(None)).

a_full_queue_refuses_newcomers_as_busy_test() ->
    Full = add_all([newcomer(N) || N <- lists:seq(1, 64)], cambrian_newcomer_queue:new()),
    ?assertEqual({error, busy}, cambrian_newcomer_queue:add(newcomer(last), Full)),
    {_, Measuring} = cambrian_newcomer_queue:start_measuring(Full),
    ?assertEqual({error, busy}, cambrian_newcomer_queue:add(newcomer(last), Measuring)),
    One = add(newcomer(a, 5_000_000), cambrian_newcomer_queue:new()),
    ?assertEqual({error, busy}, cambrian_newcomer_queue:add(newcomer(b), One)),
    Two = add_all([newcomer(a, 1_000_000), newcomer(b, 1_000_000)], cambrian_newcomer_queue:new()),
    ?assertEqual({error, busy}, cambrian_newcomer_queue:add(newcomer(c), Two)).

%% After a crash the admitted newcomers come first, marked as reported. Newcomers that are already
%% in the next generation do not come again.
requeued_newcomers_keep_their_order_test() ->
    Ask = fun(From, Queue) ->
              {[_], Measuring} =
                  cambrian_newcomer_queue:start_measuring(add(newcomer(From), Queue)),
              {[{Newcomer, _}], Left} = cambrian_newcomer_queue:measured([1.0], Measuring),
              cambrian_newcomer_queue:admitted(Newcomer, Left)
          end,
    Gone = cambrian_newcomer_queue:next_generation(Ask(gone, cambrian_newcomer_queue:new())),
    {[_], Measuring} =
        cambrian_newcomer_queue:start_measuring(add(newcomer(c), Ask(b, Ask(a, Gone)))),
    Again = cambrian_newcomer_queue:requeue(add(newcomer(d), Measuring)),
    {Genotypes, Once} = cambrian_newcomer_queue:start_measuring(Again),
    {Measured, _} = cambrian_newcomer_queue:measured([1.0 || _ <- Genotypes], Once),
    ?assertEqual([a, b, c, d], who(Measured)),
    ?assertEqual([true, true, false, false], [Told || {#{told := Told}, _} <- Measured]).

%% A user may inject any number of genotypes into an idle population.
admitted_newcomers_are_bounded_test() ->
    Many =
        lists:foldl(fun(N, All) -> cambrian_newcomer_queue:admitted(newcomer(N), All) end,
                    cambrian_newcomer_queue:new(), lists:seq(1, 200)),
    {Genotypes, _} = cambrian_newcomer_queue:start_measuring(cambrian_newcomer_queue:requeue(Many)),
    ?assertEqual(64, length(Genotypes)).
