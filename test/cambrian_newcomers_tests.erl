-module(cambrian_newcomers_tests).
-include_lib("eunit/include/eunit.hrl").

newcomer(From) -> newcomer(From, 1).
newcomer(From, Size) -> #{genotype => make_ref(), size => Size, from => From, told => false}.

add(Newcomer, Newcomers) ->
    {ok, More} = cambrian_newcomers:add(Newcomer, Newcomers),
    More.

add_all(All, Newcomers) -> lists:foldl(fun add/2, Newcomers, All).

who(Measured) -> [From || {#{from := From}, _} <- Measured].

%% The first come is the first served; who comes meanwhile is served next.
in_the_order_in_which_they_came_test() ->
    All = [#{genotype := A}, #{genotype := B}, _, _] = [newcomer(From) || From <- [a, b, c, d]],
    {[A, B, _, _], Examining} = cambrian_newcomers:examine(add_all(All, cambrian_newcomers:new())),
    More = add(newcomer(e), Examining),
    {Measured, Next} = cambrian_newcomers:examined([1.0, {2.0, [0.0]}, failed, late], More),
    ?assertMatch([{#{from := a}, 1.0}, {#{from := b}, 2.0}, {#{from := c}, failed},
                  {#{from := d}, late}], Measured),
    {[_], Last} = cambrian_newcomers:examine(Next),
    {[{#{from := e}, 4.0}], None} = cambrian_newcomers:examined([4.0], Last),
    ?assertMatch({[], _}, cambrian_newcomers:examine(None)).

no_more_than_fit_in_test() ->
    Full = add_all([newcomer(N) || N <- lists:seq(1, 64)], cambrian_newcomers:new()),
    ?assertEqual({error, busy}, cambrian_newcomers:add(newcomer(last), Full)),
    {_, Examining} = cambrian_newcomers:examine(Full),
    ?assertEqual({error, busy}, cambrian_newcomers:add(newcomer(last), Examining)),
    One = add(newcomer(a, 5_000_000), cambrian_newcomers:new()),
    ?assertEqual({error, busy}, cambrian_newcomers:add(newcomer(b), One)),
    Two = add_all([newcomer(a, 1_000_000), newcomer(b, 1_000_000)], cambrian_newcomers:new()),
    ?assertEqual({error, busy}, cambrian_newcomers:add(newcomer(c), Two)).

%% After a crash: those taken in first, without a word; but not those that are in the next generation.
asked_in_again_in_the_same_order_test() ->
    Ask = fun(From, Newcomers) ->
              {[_], Examining} = cambrian_newcomers:examine(add(newcomer(From), Newcomers)),
              {[{Newcomer, _}], Left} = cambrian_newcomers:examined([1.0], Examining),
              cambrian_newcomers:taken_in(Newcomer, Left)
          end,
    Gone = cambrian_newcomers:bred(Ask(gone, cambrian_newcomers:new())),
    {[_], Examining} = cambrian_newcomers:examine(add(newcomer(c), Ask(b, Ask(a, Gone)))),
    Again = cambrian_newcomers:again(add(newcomer(d), Examining)),
    {Genotypes, Once} = cambrian_newcomers:examine(Again),
    {Measured, _} = cambrian_newcomers:examined([1.0 || _ <- Genotypes], Once),
    ?assertEqual([a, b, c, d], who(Measured)),
    ?assertEqual([true, true, false, false], [Told || {#{told := Told}, _} <- Measured]).

%% However long a population rests and is fed.
those_taken_in_are_bounded_test() ->
    Many = lists:foldl(fun(N, All) -> cambrian_newcomers:taken_in(newcomer(N), All) end, cambrian_newcomers:new(), lists:seq(1, 200)),
    {Genotypes, _} = cambrian_newcomers:examine(cambrian_newcomers:again(Many)),
    ?assertEqual(64, length(Genotypes)).
