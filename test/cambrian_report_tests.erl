%% The page of a run is well-formed, safe, complete, repeatable and bounded. Needs no NIF.
-module(cambrian_report_tests).

-include_lib("eunit/include/eunit.hrl").

%% After 24 generations the page says 24, as the result does, although the first generation is
%% number 0.
generations_are_counted_as_in_the_result_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = filename:join(Dir, "report.html"),
        {ok, #{generations := 24}} = cambrian:evolve('xor', #{seed => 42, report => Path}),
        {ok, Page} = file:read_file(Path),
        [?assertMatch({Part, {_, _}}, {Part, binary:match(Page, Part)})
         || Part <- [<<"<dt>generations</dt><dd>24</dd>">>, <<"<dt>population</dt><dd>1</dd>">>,
                     <<"in generation 23.">>,
                     <<"Generations are numbered from 0.">>]],
        ?assertEqual(nomatch, binary:match(Page, <<"last generation">>))
    end).

%% A champion that passes the trial need not be the fittest genotype.
a_champion_that_is_not_the_fittest_is_explained_test() ->
    Page = fun(Best) ->
        History =
            [#{generation => 0, best => Best, mean => 0.0, evaluations => 10, species => 1,
               elapsed_ms => 1}],
        {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
        Champion =
            #{found_by => <<"a">>, generation => 0, fitness => 0.108, id => <<"00">>,
              test => [{<<"steps">>, <<"9">>}],
              genotype => cambrian_genotype:to_map(G)},
        iolist_to_binary(cambrian_report:html(#{title => <<"t">>, task => 'xor', seed => 1,
                                                champion => Champion,
                                                populations =>
                                                    [#{name => <<"a">>, seed => 1,
                                                       history => History}]}))
    end,
    ?assertMatch({_, _}, binary:match(Page(0.1112), <<"the fittest of all had 0.1112.">>)),
    ?assertEqual(nomatch, binary:match(Page(0.108), <<"the fittest of all">>)).
-include_lib("xmerl/include/xmerl.hrl").

-define(TOP, (1 bsl 63)).

the_headline_names_the_finder_and_the_task_test() ->
    Page = page(run()),
    ?assertEqual("nairobi found a champion for double pole novel: fitness 0.9463 in generation 38.",
                 words("//h1", Page)),
    ?assertEqual("Three islands", words("//head/title", Page)),
    ?assert(contains(words("//header", Page), "312 of 625 starts")).

the_page_has_all_its_sections_test() ->
    Page = page(run()),
    ?assertEqual(
        ["Fitness", "Species over time", "The champion", "Who sent what to whom",
         "To repeat this run"],
        [words_of(E) || E <- xmerl_xpath:string("//h2", Page)]
    ),
    Settings = words("//table[@class='settings']", Page),
    [?assert(contains(Settings, W))
     || W <- ["double_pole_novel", "20240611", "population size", "150"]],
    ?assert(contains(words("//table[@class='matrix']", Page), "1 of 2")),
    Arrivals = lists:last(xmerl_xpath:string("//details", Page)),
    ?assert(contains(words_of(Arrivals), "not taken: bad signature")).

%% Once in the wide picture, once in the narrow picture, and in the table.
the_champion_is_drawn_and_listed_test() ->
    #{champion := #{genotype := #{connections := Cs}}} = Run = run(),
    Page = page(Run),
    ?assertEqual(2 * length(Cs), length(xmerl_xpath:string("//g[@data-link]", Page))),
    [Table | _] = xmerl_xpath:string("//details", Page),
    ?assertEqual(length(Cs) + 1, length(xmerl_xpath:string("descendant::tr", Table))),
    ?assert(contains(words_of(Table), [8722 | "2.71"])).

%% For a population, for its result, and for the story of a recorder, also as bytes from another
%% node.
a_report_shows_the_archive_or_the_front_test_() ->
    {timeout, 60, fun() ->
        Shown = fun(Options) ->
            {ok, P} =
                cambrian_population:start(Options#{seed => 1, generations => 5, target => 1.0e9}),
            {ok, Recorder} = cambrian_recorder:start(P),
            ok = cambrian_population:run(P),
            {ok, Result} = cambrian_population:await(P, 60_000),
            #{result := Kept} = Story = cambrian_recorder:read(Recorder),
            ?assertEqual([], maps:keys(maps:with([archive, front], Kept))),
            Pages =
                [page(cambrian_report:run(Source))
                 || Source <- [P, binary_to_term(term_to_binary(Story))]],
            ok = cambrian_recorder:stop(Recorder),
            ok = cambrian_population:stop(P),
            {Result, Pages}
        end,
        {#{archive := Archive}, Mazes} = Shown(#{task => maze_medium, search => map_elites}),
        #{filled := Filled} = cambrian_archive:stats(Archive),
        [begin
             [Figure] = xmerl_xpath:string("//section[@aria-labelledby='archive']/figure", Page),
             ?assert(contains(words_of(Figure),
                              integer_to_list(Filled) ++ " of 2,500 cells filled, a coverage of ")),
             ?assert(contains(words_of(Figure), "QD score")),
             ?assertEqual([], xmerl_xpath:string("//h2[@id='front']", Page))
         end || Page <- Mazes],
        {#{front := Front, champion := Champion}, Fronts} =
            Shown(#{task => 'xor', search => pareto,
                    params => #{objectives => [fitness, connections]}}),
        Id = string:slice(cambrian_text:hex(cambrian_genotype:id(Champion)), 0, 12),
        [begin
             [Section] = xmerl_xpath:string("//section[@aria-labelledby='front']", Page),
             Rows = xmerl_xpath:string("descendant::tr", Section),
             ?assertEqual(length(Front) + 1, length(Rows)),
             ?assertMatch([_],
                          [Row
                           || Row <- Rows,
                           contains(words_of(Row),
                                    unicode:characters_to_list(Id) ++ "the champion")]),
             ?assertEqual(2,
                          length(xmerl_xpath:string("descendant::circle[@class='cb-ring']",
                                                    Section))),
             ?assert(contains(words_of(Section), "−connections")),
             ?assertEqual([], xmerl_xpath:string("//h2[@id='archive']", Page))
         end || Page <- Fronts]
    end}.

hostile_texts_are_escaped_test() ->
    Bad = <<"\"'><script>alert(1)</script><img src=x onerror=alert(2)>">>,
    #{populations := [P | _], champion := C} = run(),
    Run = (run())#{
        title := Bad, task := Bad, started => Bad, facts := [{Bad, Bad}],
        populations := [P#{name := Bad,
                           received :=
                               [#{generation => 1, from => Bad, fitness => 0.5,
                                  outcome => {rejected, Bad}}]}],
        champion := C#{found_by := Bad, id := Bad, test := [{Bad, Bad}],
                       labels => #{inputs => [Bad, Bad, Bad], outputs => [Bad]}}
    },
    Page = page(Run),
    ?assertEqual([], xmerl_xpath:string("//script", Page)),
    ?assertEqual([], xmerl_xpath:string("//img", Page)),
    Text = bytes(Run),
    ?assertEqual(nomatch, binary:match(Text, <<"<script">>)),
    ?assertEqual(nomatch, binary:match(Text, <<"<img">>)),
    ?assert(contains(words("//h1", Page), "<script>alert(1)</script>")).

names_that_are_no_text_do_not_break_the_page_test_() ->
    [
        ?_test(begin
            #{populations := [P | _]} = run(),
            _ = page((run())#{populations := [P#{name := Name}]})
        end)
     || Name <- [<<255, 0, 1>>, <<16#202E/utf8, "x">>, "", <<>>, "list", atom, 42, {not_a, "text"},
                 binary:copy(<<"long ">>, 100000)]
    ].

a_report_loads_nothing_from_elsewhere_test() ->
    Text = bytes(run()),
    Rest = lists:foldl(
        fun(Known, T) -> binary:replace(T, Known, <<>>, [global]) end,
        Text,
        [<<"http://www.w3.org/2000/svg">>, <<"http://www.w3.org/1999/xhtml">>, <<"http-equiv">>]
    ),
    [?assertEqual(nomatch, binary:match(Rest, Bad))
     || Bad <- [<<"http">>, <<"url(">>, <<"@import">>, <<"<script">>, <<"src=">>]],
    ?assertNotEqual(nomatch, binary:match(Text, <<"default-src 'none'">>)).

a_report_can_be_made_of_an_incomplete_run_test_() ->
    Bare = #{title => <<"t">>, task => 'xor', seed => 1, populations => []},
    Young = #{name => <<"p">>, seed => 1, history => []},
    First =
        Young#{history :=
                   [#{generation => 0, evaluations => 150, best => 0, mean => -1.5, species => 1,
                      elapsed_ms => 12}]},
    [?_test(page(Run))
     || Run <- [Bare, Bare#{populations := [Young]}, Bare#{populations := [First]},
                Bare#{populations := [Young, First]}]] ++
        [?_assertEqual("No champion for xor yet.", words("//h1", page(Bare)))].

the_same_run_gives_the_same_bytes_test() ->
    ?assertEqual(bytes(run()), bytes(run())).

the_report_of_a_huge_run_is_bounded_test_() ->
    {timeout, 60, fun() ->
        #{populations := [P | _]} = Run = run(),
        Long =
            [#{generation => G, evaluations => G * 150, best => G / 3000, mean => math:sin(G),
               species => 40, elapsed_ms => G * 9,
         sizes => [{S, 5} || S <- lists:seq(G div 20, G div 20 + 20)]} || G <- lists:seq(0, 1000)],
        Sent =
            [#{generation => G, from => integer_to_binary(G rem 50), fitness => 0.1,
               outcome => rejected} || G <- lists:seq(1, 1000)],
        Many =
            [P#{name := ["island ", integer_to_list(I)], history := Long, received := Sent}
             || I <- lists:seq(1, 40)],
        Text = bytes(Run#{populations := Many}),
        ?assert(byte_size(Text) < 3000000),
        ?assertNotEqual(nomatch, binary:match(Text, <<"Not shown: 16 populations">>))
    end}.

%% ---------------------------------------------------------------------------------------------
%% Writing
%% ---------------------------------------------------------------------------------------------

write_replaces_the_page_as_a_whole_test() ->
    in_folder(fun(Folder) ->
        Path = filename:join(Folder, "run.html"),
        ok = file:write_file(Path, "old"),
        ?assertEqual(ok, cambrian_report:write(Path, run())),
        ?assertEqual({ok, bytes(run())}, file:read_file(Path)),
        ?assertEqual({ok, ["run.html"]}, file:list_dir(Folder)),
        ?assertEqual(ok, cambrian_report:write(list_to_binary(Path), run()))
    end).

a_write_that_fails_leaves_no_file_test() ->
    in_folder(fun(Folder) ->
        ?assertEqual({error, enoent},
                     cambrian_report:write(filename:join([Folder, "no", "run.html"]), run())),
        %% A folder at the path of the page.
        ok = file:make_dir(filename:join(Folder, "run.html")),
        ?assertMatch({error, _}, cambrian_report:write(filename:join(Folder, "run.html"), run())),
        ?assertEqual({ok, ["run.html"]}, file:list_dir(Folder))
    end).

in_folder(Test) ->
    Base = case os:getenv("TMPDIR") of false -> "/tmp"; Dir -> Dir end,
    Folder =
        filename:join(Base,
                      "cambrian_report_" ++ os:getpid() ++ "_" ++
                          integer_to_list(erlang:unique_integer([positive]))),
    ok = file:make_dir(Folder),
    try Test(Folder) after file:del_dir_r(Folder) end.

%% ---------------------------------------------------------------------------------------------
%% Reading the page
%% ---------------------------------------------------------------------------------------------

bytes(Run) -> iolist_to_binary(cambrian_report:html(Run)).

page(Run) ->
    {Page, []} = xmerl_scan:string(binary_to_list(bytes(Run)), [{quiet, true}]),
    ?assertEqual(html, Page#xmlElement.name),
    Page.

words(Path, Page) -> lists:append([words_of(E) || E <- xmerl_xpath:string(Path, Page)]).

words_of(#xmlText{value = Value}) -> Value;
words_of(#xmlElement{content = Content}) -> lists:append([words_of(C) || C <- Content]);
words_of(_) -> "".

contains(Text, Part) -> string:find(Text, Part) =/= nomatch.

%% ---------------------------------------------------------------------------------------------
%% A run
%% ---------------------------------------------------------------------------------------------

run() ->
    Arrival =
        fun(G, From, Outcome) ->
            #{generation => G, from => From, fitness => 0.5, outcome => Outcome} end,
    #{
        title => <<"Three islands">>, task => double_pole_novel, seed => 20240611,
      started => <<"2024-06-11T09:42:07Z">>,
        facts => [{<<"population size">>, <<"150">>}],
        populations => [
            #{name => <<"amsterdam">>, seed => 1, history => history(1),
                received =>
                  [Arrival(10, <<"tokyo">>, accepted), Arrival(20, <<"tokyo">>, rejected),
                   Arrival(30, <<"nairobi">>, accepted)]},
            #{name => <<"nairobi">>, seed => 2, history => history(2),
              received => [Arrival(10, <<"amsterdam">>, {rejected, bad_signature})]},
            #{name => <<"tokyo">>, seed => 3, history => history(3), received => []}
        ],
        champion => #{
            found_by => <<"nairobi">>, generation => 38, fitness => 0.94632, id => <<"00ff">>,
                      genotype => genotype(),
            test => [{<<"of 625 starts">>, <<"312">>}]
        }
    }.

history(Seed) ->
    [
        #{generation => G, evaluations => 150 * (G + 1), best => 1 - 1 / (1 + G * Seed / 9),
          mean => 0.4, species => 2, elapsed_ms => 200 * G,
            sizes => [{1, 150 - 3 * G}, {2, 3 * G}]}
     || G <- lists:seq(0, 39)
    ].

genotype() ->
    Node =
        fun(Id, Kind, Layer) ->
            #{id => Id, kind => Kind, index => Id rem 10, layer => Layer, activation => tanh,
              bias => 0.25} end,
    Link =
        fun(Id, From, To, W) -> #{id => Id, from => From, to => To, weight => W, enabled => true}
        end,
    #{
        schema => 1, inputs => 3, outputs => 1,
        nodes => [Node(10, input, 0), Node(11, input, 0), Node(12, input, 0),
            maps:remove(index, Node(40, hidden, ?TOP div 2)), Node(20, output, ?TOP)],
        connections =>
          [Link(1, 10, 40, 0.5), Link(2, 11, 20, -2.71), Link(3, 12, 20, 1.5), Link(4, 40, 20, 3.0),
           Link(5, 20, 40, -0.5)]
    }.
