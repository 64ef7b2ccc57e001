%% Charts are well-formed, complete, repeatable and bounded.
-module(cambrian_chart_tests).

-include_lib("eunit/include/eunit.hrl").
-include_lib("xmerl/include/xmerl.hrl").

-import(cambrian_drawing,
        [attribute/2, box/1, boxes/1, bytes/1, has/2, number/1, overlaps/1, only_itself/1, svg/1,
         texts/2]).

%% ---------------------------------------------------------------------------------------------
%% Lines
%% ---------------------------------------------------------------------------------------------

a_chart_names_its_lines_test() ->
    Svg = svg(cambrian_chart:chart(
        [#{name => <<"amsterdam">>, points => [{0, 0.1}, {10, 0.9}]},
         #{name => tokyo, points => [{0, 0.2}, {10, 0.8}]}],
        #{title => <<"Fitness">>, x_label => <<"generation">>, y_label => "fitness",
            marks =>
              [#{x => 5, series => <<"tokyo">>, label => <<"from amsterdam">>},
               #{x => 5, series => nobody, label => <<"lost">>}]}
    )),
    Words = texts("//text", Svg),
    [?assert(lists:member(W, Words))
     || W <- ["Fitness", "generation", "fitness", "amsterdam", "tokyo", "0", "10", "0.2"]],
    ?assertEqual(["from amsterdam", "lost"], texts("//g[contains(@class,'cb-mark')]/title", Svg)).

ticks_are_round_test_() ->
    Ticks = fun(Ys) ->
        Svg =
            svg(cambrian_chart:chart([#{name => a,
                                        points => lists:zip(lists:seq(1, length(Ys)), Ys),
                                        label => false}], #{})),
        texts("//g[@class='cb-axes']/text[@text-anchor='end']", Svg)
    end,
    [
        ?_assertEqual(["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"], Ticks([0.03, 0.97])),
        ?_assertEqual(["0", "10,000", "20,000", "30,000", "40,000"], Ticks([1, 39000])),
        ?_assertEqual(["0", "0.5M", "1.0M", "1.5M", "2.0M"], Ticks([0, 2.0e6])),
        ?_assertEqual([[8722, $2], [8722, $1], "0", "1", "2"], Ticks([-2, 2]))
    ].

whole_generations_have_whole_ticks_test() ->
    Svg = svg(cambrian_chart:chart([#{name => a, points => [{0, 1}, {2, 3}]}], #{})),
    ?assertEqual(["0", "1", "2"], texts("//g[@class='cb-axes']/text[@text-anchor='middle']", Svg)).

a_chart_of_odd_series_is_a_valid_picture_test_() ->
    [
        ?_test(svg(cambrian_chart:chart(Series, #{title => <<"t">>, y_label => <<"y">>})))
     || Series <- [
            [],
            [#{name => empty, points => []}],
            [#{name => one, points => [{3, 4}]}],
            [#{name => flat, points => [{0, 5.0}, {1, 5.0}]}],
            [#{name => zero, points => [{0, 0}, {0, 0}]}],
            [#{name => same_x, points => [{1, 1}, {1, 2}]}],
            [#{name => vast,
               points => [{-1.0e300, -1.0e300}, {1.0e300, 1.7e308}, {1 bsl 2000, -(1 bsl 2000)}]}],
            [#{name => small, points => [{0, 1.0e-300}, {1, 2.0e-300}]}],
            [#{name => close, points => [{0, 1.0e15}, {1, 1.0e15 + 1}]}],
            [#{name => backwards, points => [{2, 1}, {1, 2}]}]
        ]
    ].

many_points_are_thinned_but_keep_their_peaks_test() ->
    Points = [{X, case X of 31415 -> 100; _ -> X rem 7 end} || X <- lists:seq(0, 50000)],
    Text =
        bytes(cambrian_chart:chart([#{name => a, points => Points}],
                                   #{width => 720, height => 320})),
    ?assert(byte_size(Text) < 20000),
    [Line] =
        [attribute(d, P)
         || P <- xmerl_xpath:string("//g[contains(@class,'cb-line')]/path", svg(Text))],
    Ys = [number(lists:last(string:split(P, " "))) || P <- string:split(tl(Line), "L", all)],
    ?assert(length(Ys) =< 242),
    ?assert(lists:min(Ys) < 30).

a_chart_of_many_lines_and_marks_is_bounded_in_size_test() ->
    Series =
        [#{name => integer_to_binary(I), points => [{X, X * I} || X <- lists:seq(0, 300)]}
         || I <- lists:seq(1, 500)],
    Marks = [#{x => X, series => <<"1">>, label => <<"m">>} || X <- lists:seq(1, 5000)],
    Text = bytes(cambrian_chart:chart(Series, #{marks => Marks})),
    ?assert(byte_size(Text) < 250000),
    _ = svg(Text).

%% ---------------------------------------------------------------------------------------------
%% Positions of the labels and the lines, read from the SVG
%% ---------------------------------------------------------------------------------------------

%% Charts that are hard to lay out.
hard_cases() ->
    Line = fun(Name, Group, Last, Height) ->
        #{name => Name, group => Group, weight => bold,
          points => [{X, Height(X)} || X <- lists:seq(0, Last)]}
    end,
    Rise = fun(X) -> 0.1 - 0.1 * math:exp(-X / 10) end,
    Wave = fun(I) -> fun(X) -> 0.5 + I / 200 + math:sin(X / 5 + I) / 50 end end,
    Plateau = fun(X) when X < 8 -> -900 + 112 * X; (X) -> 0.1 + X * 1.0e-4 end,
    Many = fun(Count) ->
        [Line(["population ", integer_to_list(I)], I, 20 + 11 * I, Wave(I))
         || I <- lists:seq(1, Count)]
    end,
    Of = fun(Points) -> [#{name => one, points => Points}] end,
    [
        {"one point", Of([{3, 0.5}]) ++ [#{name => mean, points => [{3, 0.2}]}]},
        {"equal ends", [Line(<<"anomalocaris">>, 1, 40, Rise), Line(<<"opabinia">>, 2, 36, Rise)]},
        {"equal ends apart",
         [Line(<<"anomalocaris">>, 1, 40, Rise), Line(<<"opabinia">>, 2, 34, Rise)]},
        {"eight", Many(8)},
        {"forty", Many(40)},
        {"all end alike",
         [Line(<<"a name of its own ", (integer_to_binary(I))/binary>>, I, 30, Rise)
          || I <- lists:seq(1, 30)]},
        {"a plateau",
         [Line(<<"best">>, 1, 300, Plateau), #{name => mean, group => 1, weight => light,
                                              points =>
                                                   [{X, Plateau(X) - 50}
                                                    || X <- lists:seq(0, 300)]}]},
        {"a plateau below", [Line(<<"left">>, 1, 300, fun(X) -> -Plateau(X) end)]},
        {"huge", Of([{0, -1.7e308}, {1, 1.7e308}, {2, 0.0}])},
        {"integers beyond floats", Of([{0, -(1 bsl 2000)}, {1, 1 bsl 2000}, {1 bsl 2000, 0}])},
        {"subnormal", Of([{0, 5.0e-324}, {1, 1.0e-323}, {2, 0}])},
        {"negative", Of([{X, 10 * X - 1000} || X <- lists:seq(0, 90)])},
        {"all equal", Of([{X, 0.1} || X <- lists:seq(0, 90)])},
        {"small changes of a large number", Of([{X, 1.0e12 + X / 100} || X <- lists:seq(0, 90)])},
        {"small changes of a number", Of([{X, 0.1 + X * 1.0e-9} || X <- lists:seq(0, 90)])},
        {"many generations", [Line(<<"a population with a long name">>, 1, 2, fun(X) -> X end),
                              #{name => b, points => [{1234567, 1}, {12345678, 2}]}]}
    ].

of_hard_cases(Check) ->
    [
        {lists:flatten(io_lib:format("~s, ~b wide", [Name, Width])),
         fun() -> Check(Name, Series, drawn(Series, Width)) end}
     || {Name, Series} <- hard_cases(), Width <- [720, 360]
    ].

drawn(Series, Width) ->
    svg(cambrian_chart:chart(Series,
                             #{width => Width, title => "T", x_label => "generation",
                               y_label => "fitness"})).

labels_do_not_overlap_test_() ->
    of_hard_cases(fun(_, _, Svg) ->
        ?assertEqual([], overlaps(Svg)),
        Width = number(attribute(width, Svg)),
        ?assertEqual([],
                     [Words
                      || {Words, {Left, _, Right, _}} <- boxes(Svg), Left < 0 orelse Right > Width])
    end).

%% A reader would take a name on a line for the name of that line.
a_name_in_the_chart_covers_no_line_test_() ->
    of_hard_cases(fun(_, _, Svg) ->
        Boxes =
            [box(Text) || Text <- xmerl_xpath:string("//g[contains(@class,'cb-end')]/text", Svg)],
        Paths =
            [points(attribute(d, P))
             || P <- xmerl_xpath:string("//g[contains(@class,'cb-line')]/path", Svg)],
        ?assertEqual([],
                     [Words
                      || {Words, {Left, Top, Right, Bottom}} <- Boxes, Path <- Paths,
                      {X, Y} <- between(Path),
                               X > Left, X < Right, Y > Top, Y < Bottom])
    end).

%% Points at short distances along a line.
between(Path) ->
    [{X0 + (X1 - X0) * T / 20, Y0 + (Y1 - Y0) * T / 20}
     || {{X0, Y0}, {X1, Y1}} <- lists:zip(lists:droplast(Path), tl(Path)), T <- lists:seq(0, 20)].

points("M" ++ D) ->
    [begin [X, Y] = string:lexemes(Point, " "), {number(X), number(Y)} end
     || Point <- string:lexemes(string:trim(D, trailing, "Z"), "L")].

%% A chart has more lines than colours: lines of one colour have different dashes, and so do their
%% names.
a_name_has_the_colour_and_dashes_of_its_line_test_() ->
    of_hard_cases(fun(_, Series, Svg) ->
        Look =
            fun(Class) ->
                [Part
                 || Part <- string:lexemes(Class, " "),
                 lists:prefix("cb-c", Part) orelse lists:prefix("cb-dash", Part)] end,
        Lines = [{hd(string:split(hd(texts("title", Line)), ":")), Look(attribute(class, Line))}
                 || Line <- xmerl_xpath:string("//g[contains(@class,'cb-line')]", Svg)],
        Groups = [maps:get(group, One, I) || {I, One} <- lists:enumerate(Series)],
        ?assertEqual(length(lists:usort(Groups)), length(lists:usort([L || {_, L} <- Lines]))),
        [begin
             [Words] = texts("text", End),
             Whole = string:trim(Words, trailing, [8230]),
             ?assert(lists:member(Look(attribute(class, End)),
                                  [L || {Of, L} <- Lines, lists:prefix(Whole, Of)])),
             ?assertEqual(length(Lines) > 8,
                          xmerl_xpath:string("path[@class='cb-swatch']", End) =/= [])
         end || End <- xmerl_xpath:string("//g[contains(@class,'cb-end')]", Svg)]
    end).

lines_stay_between_the_axes_test_() ->
    of_hard_cases(fun(_, _, Svg) ->
        {Left, Top, Right, Bottom} = plot(Svg),
        ?assert(Bottom - Top > 50),
        [?assert(X >= Left - 0.1 andalso X =< Right + 0.1 andalso Y >= Top - 0.1 andalso
                 Y =< Bottom + 0.1)
         || Path <- xmerl_xpath:string("//g[contains(@class,'cb-line')]/path", Svg),
         {X, Y} <- points(attribute(d, Path))]
    end).

plot(Svg) ->
    Grid =
        [string:lexemes(attribute(d, P), "MH ")
         || P <- xmerl_xpath:string("//path[@class='cb-grid']", Svg)],
    [[Left, _, Right] | _] = Grid,
    Ys = [number(Y) || [_, Y, _] <- Grid],
    {number(Left), lists:min(Ys), number(Right), lists:max(Ys)}.

ticks_have_different_labels_test_() ->
    of_hard_cases(fun(_, _, Svg) ->
        Ticks =
            texts("//g[@class='cb-axes']/text[@text-anchor='end' and "
                  "not(contains(.,'generation'))]",
                  Svg),
        ?assertEqual(lists:sort(Ticks), lists:usort(Ticks)),
        ?assert(length(Ticks) > 1)
    end).

large_numbers_are_shown_in_full_test() ->
    Svg = drawn(proplists:get_value("huge", hard_cases()), 720),
    ?assertEqual(["one: 0"], texts("//g[contains(@class,'cb-line')]/title", Svg)),
    ?assert(lists:member("2e308", texts("//text", Svg))),
    ?assertEqual(["fitness over generation: a ends at 1.7e308."],
                 texts("/svg/desc",
                       svg(cambrian_chart:chart([#{name => a, points => [{0, 1}, {1, 1.7e308}]}],
                                                #{x_label => "generation",
                                                  y_label => "fitness"})))).

%% The small gain on a plateau takes most of the chart, and the chart says that its scale changes.
a_plateau_shows_its_progress_test_() ->
    Height = fun(Svg) ->
        {_, Top, _, Bottom} = plot(Svg),
        [Path | _] =
            [points(attribute(d, P))
             || P <- xmerl_xpath:string("//g[contains(@class,'cb-bold')]/path", Svg)],
        {_, Ys} = lists:unzip(lists:nthtail(length(Path) div 4, Path)),
        (lists:max(Ys) - lists:min(Ys)) / (Bottom - Top)
    end,
    Smaller =
        fun(Svg) ->
            [T || T <- texts("//text", Svg), string:find(T, "on a smaller scale") =/= nomatch] end,
    of_hard_cases(fun(Name, _, Svg) ->
        Plateau = lists:prefix("a plateau", Name),
        ?assertEqual(Plateau, Smaller(Svg) =/= []),
        ?assertEqual(Plateau,
                     string:find(hd(texts("/svg/desc", Svg)), "on a smaller scale") =/= nomatch),
        ?assertEqual(Plateau, xmerl_xpath:string("//path[@class='cb-break']", Svg) =/= []),
        [?assert(Height(Svg) > 0.5) || Plateau]
    end).

%% ---------------------------------------------------------------------------------------------
%% Species
%% ---------------------------------------------------------------------------------------------

%% Forty species at a time over 1,600 generations.
many_species() ->
    [{G, [{S, 1 + (S * 7 + G) rem 9} || S <- lists:seq(G div 20, G div 20 + 39)]}
     || G <- lists:seq(0, 1600)].

most_of_the_area_of_many_species_is_not_grey_test() ->
    Svg = svg(cambrian_bands:stacked(many_species(), #{})),
    Bands =
        [{attribute(class, Band), area(points(attribute(d, Band)))}
         || Band <- xmerl_xpath:string("//path[contains(@class,'cb-band')]", Svg)],
    Grey = lists:sum([Area || {"cb-band cb-b0", Area} <- Bands]),
    ?assert(Grey < 0.25 * lists:sum([Area || {_, Area} <- Bands])).

area(Points) ->
    abs(lists:sum([X0 * Y1 - X1 * Y0
                   || {{X0, Y0}, {X1, Y1}} <- lists:zip(Points, tl(Points) ++ [hd(Points)])])) / 2.

%% A species of a single generation is drawn, but not as a spike.
a_species_of_one_generation_is_drawn_test_() ->
    [
        ?_test(begin
            History = [{G, [{1, 100} | [{2, 100} || G =:= At]]} || G <- lists:seq(0, 1600)],
            Svg = svg(cambrian_bands:stacked(History, #{height => 320})),
            [Path] =
                [attribute(d, P)
                 || P <- xmerl_xpath:string("//path[contains(@class,'cb-band') and "
                                            "contains(title,'species 2:')]", Svg)],
            Said =
                io_lib:format("species 2: generations ~ts–~ts, at most 100",
                              [cambrian_text:short(At), cambrian_text:short(At)]),
            ?assertEqual([unicode:characters_to_list(Said)],
                         [T || T <- texts("//title", Svg), lists:prefix("species 2:", T)]),
            {_, Ys} = lists:unzip(points(Path)),
            ?assert(lists:max(Ys) - lists:min(Ys) < 40)
        end)
     || At <- [0, 797, 800, 803, 1600]
    ].

neighbouring_bands_have_different_colours_test() ->
    Svg =
        svg(cambrian_bands:stacked([{G,
                                     [{S, 5}
                                      || S <- lists:seq(0, 30), S rem 10 =:= 0 orelse S =:= G]}
                                    || G <- lists:seq(0, 60)], #{})),
    Edges = [{lists:sort([A, B]), attribute(class, Band)}
             || Band <- xmerl_xpath:string("//path[contains(@class,'cb-band')]", Svg),
                {A, B} <- cambrian_spacing:pairs(points(attribute(d, Band))),
             element(1, A) =/= element(1, B)],
    Shared = maps:groups_from_list(fun({Edge, _}) -> Edge end, fun({_, Class}) -> Class end, Edges),
    ?assert(lists:any(fun(Classes) -> length(Classes) > 1 end, maps:values(Shared))),
    [?assertEqual(length(Classes), length(lists:usort(Classes))) || Classes <- maps:values(Shared)].

species_are_bands_test() ->
    Svg =
        svg(cambrian_bands:stacked([{0, [{1, 150}]}, {1, [{1, 110}, {2, 40}]}, {2, [{2, 150}]}],
                                   #{title => <<"Species">>})),
    ?assertEqual(
        [
            unicode:characters_to_list(<<"species 1: generations 0–1, at most 150"/utf8>>),
            unicode:characters_to_list(<<"species 2: generations 1–2, at most 150"/utf8>>)
        ],
        texts("//path[contains(@class,'cb-band')]/title", Svg)
    ),
    ?assertEqual(["2 species over 3 generations; 1 at the end."], texts("/svg/desc", Svg)).

an_odd_history_of_species_is_a_valid_picture_test_() ->
    [
        ?_test(svg(cambrian_bands:stacked(History, #{})))
     || History <- [[], [{0, []}], [{3, [{1, 10}, {2, 5}]}], [{0, [{a, 1}]}, {1, []}],
                    [{0, [{<<"<x>">>, 0}]}, {1, [{<<"<x>">>, 5}]}]]
    ].

a_picture_of_many_species_is_bounded_in_size_test() ->
    History =
        [{G, [{S, 1 + (S * G) rem 9} || S <- lists:seq(G div 4, G div 4 + 60)]}
         || G <- lists:seq(0, 2000)],
    Text = bytes(cambrian_bands:stacked(History, #{})),
    ?assert(byte_size(Text) < 200000),
    ?assert(has(Text, <<"smaller species together">>)),
    _ = svg(Text).

%% ---------------------------------------------------------------------------------------------
%% Charts and bands
%% ---------------------------------------------------------------------------------------------

the_same_input_gives_the_same_bytes_test() ->
    Draw = fun() ->
        bytes([
            cambrian_chart:chart([#{name => a, points => [{1, 2}, {3, 4}]}], #{}),
            cambrian_bands:stacked([{0, [{1, 3}, {2, 4}]}, {1, [{2, 9}]}], #{})
        ])
    end,
    ?assertEqual(Draw(), Draw()).

a_chart_loads_nothing_from_elsewhere_test() ->
    only_itself([cambrian_chart:chart([], #{}), cambrian_bands:stacked([], #{})]).

an_embedded_picture_has_no_style_of_its_own_test() ->
    Text = bytes(cambrian_chart:chart([], #{title => <<"t">>, embed => true})),
    ?assertNot(has(Text, <<"<style">>)),
    ?assert(has(bytes(cambrian_theme:style()), <<"prefers-color-scheme:dark">>)).
