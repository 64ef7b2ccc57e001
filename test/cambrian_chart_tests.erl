%% Charts are well-formed, complete, repeatable and bounded.
-module(cambrian_chart_tests).

-include_lib("eunit/include/eunit.hrl").
-include_lib("xmerl/include/xmerl.hrl").

-import(cambrian_drawing, [attribute/2, bytes/1, has/2, number/1, only_itself/1, svg/1, texts/2]).

%% ---------------------------------------------------------------------------------------------
%% Lines
%% ---------------------------------------------------------------------------------------------

a_chart_names_its_lines_test() ->
    Svg = svg(cambrian_chart:chart(
        [#{name => <<"amsterdam">>, points => [{0, 0.1}, {10, 0.9}]}, #{name => tokyo, points => [{0, 0.2}, {10, 0.8}]}],
        #{title => <<"Fitness">>, x_label => <<"generation">>, y_label => "fitness",
            marks => [#{x => 5, series => <<"tokyo">>, label => <<"from amsterdam">>}, #{x => 5, series => nobody, label => <<"lost">>}]}
    )),
    Words = texts("//text", Svg),
    [?assert(lists:member(W, Words)) || W <- ["Fitness", "generation", "fitness", "amsterdam", "tokyo", "0", "10", "0.2"]],
    ?assertEqual(["from amsterdam", "lost"], texts("//g[contains(@class,'cb-mark')]/title", Svg)).

ticks_are_round_test_() ->
    Ticks = fun(Ys) ->
        Svg = svg(cambrian_chart:chart([#{name => a, points => lists:zip(lists:seq(1, length(Ys)), Ys), label => false}], #{})),
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

odd_charts_are_pictures_test_() ->
    [
        ?_test(svg(cambrian_chart:chart(Series, #{title => <<"t">>, y_label => <<"y">>})))
     || Series <- [
            [],
            [#{name => empty, points => []}],
            [#{name => one, points => [{3, 4}]}],
            [#{name => flat, points => [{0, 5.0}, {1, 5.0}]}],
            [#{name => zero, points => [{0, 0}, {0, 0}]}],
            [#{name => same_x, points => [{1, 1}, {1, 2}]}],
            [#{name => vast, points => [{-1.0e300, -1.0e300}, {1.0e300, 1.7e308}, {1 bsl 2000, -(1 bsl 2000)}]}],
            [#{name => small, points => [{0, 1.0e-300}, {1, 2.0e-300}]}],
            [#{name => close, points => [{0, 1.0e15}, {1, 1.0e15 + 1}]}],
            [#{name => backwards, points => [{2, 1}, {1, 2}]}]
        ]
    ].

many_points_are_thinned_but_keep_their_peaks_test() ->
    Points = [{X, case X of 31415 -> 100; _ -> X rem 7 end} || X <- lists:seq(0, 50000)],
    Text = bytes(cambrian_chart:chart([#{name => a, points => Points}], #{width => 720, height => 320})),
    ?assert(byte_size(Text) < 20000),
    [Line] = [attribute(d, P) || P <- xmerl_xpath:string("//g[contains(@class,'cb-line')]/path", svg(Text))],
    Ys = [number(lists:last(string:split(P, " "))) || P <- string:split(tl(Line), "L", all)],
    ?assert(length(Ys) =< 242),
    ?assert(lists:min(Ys) < 30).

many_lines_and_marks_are_bounded_test() ->
    Series = [#{name => integer_to_binary(I), points => [{X, X * I} || X <- lists:seq(0, 300)]} || I <- lists:seq(1, 500)],
    Marks = [#{x => X, series => <<"1">>, label => <<"m">>} || X <- lists:seq(1, 5000)],
    Text = bytes(cambrian_chart:chart(Series, #{marks => Marks})),
    ?assert(byte_size(Text) < 250000),
    _ = svg(Text).

%% ---------------------------------------------------------------------------------------------
%% Species
%% ---------------------------------------------------------------------------------------------

species_are_bands_test() ->
    Svg = svg(cambrian_bands:stacked([{0, [{1, 150}]}, {1, [{1, 110}, {2, 40}]}, {2, [{2, 150}]}], #{title => <<"Species">>})),
    ?assertEqual(
        [
            unicode:characters_to_list(<<"species 1: generations 0–1, at most 150"/utf8>>),
            unicode:characters_to_list(<<"species 2: generations 1–2, at most 150"/utf8>>)
        ],
        texts("//path[contains(@class,'cb-band')]/title", Svg)
    ),
    ?assertEqual(["2 species over 3 generations; 1 at the end."], texts("/svg/desc", Svg)).

odd_species_are_pictures_test_() ->
    [
        ?_test(svg(cambrian_bands:stacked(History, #{})))
     || History <- [[], [{0, []}], [{3, [{1, 10}, {2, 5}]}], [{0, [{a, 1}]}, {1, []}], [{0, [{<<"<x>">>, 0}]}, {1, [{<<"<x>">>, 5}]}]]
    ].

many_species_are_bounded_test() ->
    History = [{G, [{S, 1 + (S * G) rem 9} || S <- lists:seq(G div 4, G div 4 + 60)]} || G <- lists:seq(0, 2000)],
    Text = bytes(cambrian_bands:stacked(History, #{})),
    ?assert(byte_size(Text) < 200000),
    ?assert(has(Text, <<"smaller species together">>)),
    _ = svg(Text).

%% ---------------------------------------------------------------------------------------------
%% Both
%% ---------------------------------------------------------------------------------------------

same_input_same_bytes_test() ->
    Draw = fun() ->
        bytes([
            cambrian_chart:chart([#{name => a, points => [{1, 2}, {3, 4}]}], #{}),
            cambrian_bands:stacked([{0, [{1, 3}, {2, 4}]}, {1, [{2, 9}]}], #{})
        ])
    end,
    ?assertEqual(Draw(), Draw()).

nothing_is_loaded_from_elsewhere_test() ->
    only_itself([cambrian_chart:chart([], #{}), cambrian_bands:stacked([], #{})]).

an_embedded_picture_leaves_its_style_to_the_page_test() ->
    Text = bytes(cambrian_chart:chart([], #{title => <<"t">>, embed => true})),
    ?assertNot(has(Text, <<"<style">>)),
    ?assert(has(bytes(cambrian_ink:style()), <<"prefers-color-scheme:dark">>)).
