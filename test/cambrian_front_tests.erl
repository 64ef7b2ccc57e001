%% Fronts as pictures and tables: complete, bounded, safe, readable on a phone.
-module(cambrian_front_tests).
-include_lib("eunit/include/eunit.hrl").

-import(cambrian_drawing,
        [attribute/2, bytes/1, has/2, number/1, only_itself/1, overlaps/1, svg/1, texts/2]).

-define(LARGEST, 1.7976931348623157e308).

xor_front() ->
    {ok, #{front := Front, champion := Champion}} =
        cambrian:evolve('xor', #{search => pareto, seed => 1, generations => 60, target => 4,
                                 params => #{objectives => [fitness, connections]}}),
    {Front, Champion}.

%% Networks that reach these objectives.
front(Points) ->
    [#{genotype => genotype(At), objectives => Point, fitness => 1.5}
     || {At, Point} <- lists:enumerate(Points)].

genotype(Seed) ->
    {ok, Genotype} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, Seed),
    Genotype.

%% So many networks between two goals.
line(Count) -> front([[I / 1, -I / 1] || I <- lists:seq(1, Count)]).

spots(Svg) -> xmerl_xpath:string("//circle[@class='cb-spot']", Svg).

place(Circle) -> {number(attribute(cx, Circle)), number(attribute(cy, Circle))}.

every_network_is_a_point_and_better_is_to_the_right_and_up_test() ->
    {Front, Champion} = xor_front(),
    Svg = svg(cambrian_front:to_svg(Front, #{champion => Champion})),
    %% the champion once more, as its mark
    ?assertEqual(length(Front) + 1, length(spots(Svg))),
    Spots = spots(svg(cambrian_front:to_svg(front([[1, 9], [2, 8], [4, 0]])))),
    [First, Second, Third] = [place(Spot) || Spot <- lists:sublist(Spots, 3)],
    {X1, Y1} = First, {X2, Y2} = Second, {X3, Y3} = Third,
    ?assert(X1 < X2 andalso X2 < X3 andalso Y1 < Y2 andalso Y2 < Y3),
    ?assert(abs((X3 - X2) - 2 * (X2 - X1)) < 0.4 andalso abs((Y3 - Y2) - 8 * (Y2 - Y1)) < 0.8).

%% The corners of what is worse than some network: steps, without the network that another one
%% beats.
the_dominated_area_is_drawn_in_steps_test() ->
    Draw =
        fun(Points) ->
            [Path | _] =
                xmerl_xpath:string("//path[@class='cb-fill']",
                                   svg(cambrian_front:to_svg(front(Points)))), attribute(d, Path)
        end,
    Steps = fun(Path) -> length([x || $V <- Path]) end,
    ?assertEqual(3, Steps(Draw([[4, 0], [2, 8], [1, 9]]))),
    ?assertEqual(2, Steps(Draw([[4, 0], [2, 8], [1, 8]]))).

the_champion_is_marked_by_genotype_or_id_test() ->
    Front = line(1000),
    #{genotype := Genotype, objectives := [X, Y]} = lists:nth(500, Front),
    ById = bytes(cambrian_front:to_svg(Front, #{champion => cambrian_genotype:id(Genotype)})),
    ?assertEqual(ById, bytes(cambrian_front:to_svg(Front, #{champion => Genotype}))),
    Svg = svg(ById),
    ?assertMatch([_], xmerl_xpath:string("//circle[@class='cb-ring']", Svg)),
    ?assert(lists:member("champion", texts("//text", Svg))),
    [Words] = texts("/svg/desc", Svg),
    ?assertEqual("1,000 networks: objective 1 from 1 to 1,000; objective 2 from −1,000 to −1. "
                 "More is better in each. "
                 "The champion: objective 1 " ++ integer_to_list(round(X)) ++ ", objective 2 −" ++
                     integer_to_list(round(-Y)) ++ ".", Words),
    %% one that is not in the front has no mark
    ?assertEqual([],
                 xmerl_xpath:string("//circle[@class='cb-ring']",
                                    svg(cambrian_front:to_svg(Front,
                                                              #{champion => genotype(5000)})))).

%% Whatever the size of a front, a picture has so many networks, the ends among them.
a_large_front_is_bounded_test_() ->
    {timeout, 60, fun() ->
        Large = line(5000),
        Svg = cambrian_front:to_svg(Large, #{champion => cambrian_genotype:id(genotype(2501))}),
        ?assert(byte_size(bytes(Svg)) < 150_000),
        ?assertEqual(402, length(spots(svg(Svg)))),
        ?assert(lists:member("401 of 5,000 are drawn", texts("//text", svg(Svg)))),
        Part = svg(cambrian_front:to_svg(lists:sublist(Large, 10), #{count => 20_000})),
        ?assert(lists:member("10 of 20,000 are drawn", texts("//text", Part))),
        Wide =
            front([[I * 1.0 | [math:sin(I * J) || J <- lists:seq(1, 99)]]
                   || I <- lists:seq(1, 2000)]),
        Lines = cambrian_front:to_svg(Wide, #{}),
        ?assert(byte_size(bytes(Lines)) < 400_000),
        ?assert(lists:any(fun(Text) -> lists:prefix("2,000 networks, 400 of", Text) end,
                          texts("//text", svg(Lines)))),
        ?assertEqual(16, length(xmerl_xpath:string("//path[@class='cb-base']", svg(Lines))))
    end}.

three_objectives_are_lines_across_axes_test() ->
    Front = front([[0, 5, 1], [1, 4, 1], [2, 0, 3]]),
    Svg =
        svg(cambrian_front:to_svg(Front, #{labels => ["speed", "cost"], champion => genotype(2)})),
    ?assertEqual(3, length(xmerl_xpath:string("//g[contains(@class, 'cb-line')]//path", Svg))),
    Texts = texts("//text", Svg),
    [?assert(lists:member(Text, Texts))
     || Text <- ["speed", "cost", "objective 3", "champion", "3 networks; upwards is better"]],
    ?assertEqual(["speed 1, cost 4, objective 3 1"],
                 texts("//g[contains(@class, 'cb-bold')]//title", Svg)).

texts_keep_apart_and_inside_test_() ->
    [?_test(begin
                Svg =
                    svg(cambrian_front:to_svg(front(Points),
                                              Opts#{width => Width, champion => genotype(1),
                                                    labels => lists:sublist(Labels, length(Point)),
                                                    count => 999})),
                ?assertEqual([], overlaps(Svg)),
                [_, _, W, H] =
                    [number(Text) || Text <- string:split(attribute(viewBox, Svg), " ", all)],
                [?assert(Left >= 0 andalso Right =< W + 2 andalso Top >= 0 andalso Bottom =< H)
                 || {_, {Left, Top, Right, Bottom}} <- cambrian_drawing:boxes(Svg)]
            end)
     || [Point | _] = Points
            <- [[[3.0, 0.0], [3.33, -3.0], [3.9, -5.0]],
                [[-1.0e-9, 5.0e7], [12345.678, -0.001]], [[1.0, 1.0]], [[3.9, -5.0], [3.0, 0.0]],
                [[0.1, 0.2, 0.3], [0.3, 0.1, 0.2]], [[1.5], [1.5]], [lists:seq(1, 16)],
                [[1.234567, 7654321.0, -0.00001234, 5]]],
        Width <- [320, 360, 720],
        {Opts, Labels} <- [{#{}, []},
                           {#{title => <<"Between two goals">>}, ["meters a second", "−energy"]}]].

extreme_objectives_are_drawn_test_() ->
    [?_assertMatch(<<"<svg", _/binary>>,
                   bytes(cambrian_front:to_svg(front(Points), #{width => Width})))
     || Points <- [[], [[?LARGEST, -?LARGEST], [-?LARGEST, ?LARGEST]],
                   [[5.0e-324, 0.0], [0.0, 5.0e-324]], [[0, 0]], [[7.5]],
                   [[?LARGEST, 1, 2], [-?LARGEST, 3, 2]], [[1.0e300, 1.0e300]]],
        Width <- [1, 320, 720]].

an_empty_front_says_so_test() ->
    Svg = svg(cambrian_front:to_svg([], #{labels => ["a", "b", "c"]})),
    ?assertEqual(["No networks yet."], texts("/svg/desc", Svg)),
    ?assert(lists:member("nothing to show yet", texts("//text", Svg))),
    ?assertEqual(<<"id,fitness\n">>, bytes(cambrian_front:to_csv([]))),
    ?assertEqual(<<"[]">>, bytes(cambrian_front:to_json([]))).

names_in_a_picture_are_escaped_test() ->
    Ill = <<"\"'><script>alert(1)</script>">>,
    [begin
         Picture =
             cambrian_front:to_svg(front([Point]),
                                   #{labels => [Ill || _ <- Point], title => Ill,
                                     champion => genotype(1)}),
         ?assertNot(has(bytes(Picture), <<"<script">>)),
         _ = svg(Picture),
         only_itself(Picture)
     end || Point <- [[1, 2], [1, 2, 3]]].

tables_have_every_network_test() ->
    {Front, _} = xor_front(),
    [Head | Rows] = string:lexemes(bytes(cambrian_front:to_csv(Front)), "\n"),
    ?assertEqual({<<"id,fitness,objective_1,objective_2">>, length(Front)}, {Head, length(Rows)}),
    Json = bytes(cambrian_front:to_json(Front)),
    ?assertEqual(length(Front), length(binary:matches(Json, <<"\"objectives\":[">>))),
    #{genotype := Genotype} = hd(Front),
    ?assert(has(Json, bytes(cambrian_genotype:to_json(Genotype)))),
    ?assert(has(Json, cambrian_text:hex(cambrian_genotype:id(Genotype)))).

an_argument_that_is_no_front_is_named_test() ->
    [One] = front([[1, 2]]),
    [?assertEqual({Bad,
                   #{1 => <<"has to be a front, as the result of a run with the search pareto has "
                            "it">>}}, {Bad, cambrian_refused:arguments(fun() -> Call(Bad) end)})
     || Bad <- [none, [none], [One | none], [One, One#{objectives := [1]}],
                [One#{objectives := [1, a]}], [One#{objectives := []}],
                [One#{genotype := 7}], [maps:remove(fitness, One)]],
        Call <- [fun cambrian_front:to_csv/1, fun cambrian_front:to_json/1,
                 fun(Front) -> cambrian_front:to_svg(Front, #{}) end]],
    [?assertMatch(#{2 := _},
                  cambrian_refused:arguments(fun() -> cambrian_front:to_svg([One], Options) end))
     || Options <- [#{champion => 7}, #{champion => <<"id">>}, #{label => []}, #{labels => none},
                    #{count => -1}]],
    ?assertEqual(#{2 => <<"option labels must be a list of at most 2 texts, got: "
                          "[one,two,three]">>},
                 cambrian_refused:arguments(fun() ->
                     cambrian_front:to_svg([One], #{labels => [one, two, three]}) end)).

objectives_have_names_test() ->
    ?assertEqual([<<"fitness">>, <<"−connections"/utf8>>],
                 cambrian_front:labels([fitness, connections], 2)),
    ?assertEqual([<<"objective 1">>, <<"objective 2">>, <<"novelty">>],
                 cambrian_front:labels([task, novelty], 3)),
    ?assertEqual([<<"−energy"/utf8>>, <<"objective 2">>], cambrian_front:labels([energy, task], 2)).

%% A part of the front of a running population: the ends, and the champion.
a_part_of_a_front_has_its_champion_test() ->
    {ok, Population} = cambrian_population:start(#{task => zdt1, search => pareto, seed => 1}),
    ?assertEqual({error, not_evaluated}, cambrian_population_client:some_of_front(Population, 3)),
    {ok, _} = cambrian_population:step(Population, 40),
    {ok, Whole} = cambrian_population:front(Population),
    {ok, #{front := Some, count := Count, champion := Champion}} =
        cambrian_population_client:some_of_front(Population, 3),
    ?assertEqual(length(Whole), Count),
    Ids = fun(Front) -> [cambrian_genotype:id(Genotype) || #{genotype := Genotype} <- Front] end,
    ?assert(Count > 10 andalso length(Some) =< 4),
    [?assert(lists:member(Id, Ids(Some)))
     || Id <- [hd(Ids(Whole)), lists:last(Ids(Whole)), cambrian_genotype:id(Champion)]],
    ?assertEqual([], Ids(Some) -- Ids(Whole)),
    {ok, #{champion := Best}} = cambrian_population:best(Population),
    ?assertEqual(cambrian_genotype:id(Best), cambrian_genotype:id(Champion)),
    ok = cambrian_population:stop(Population).
