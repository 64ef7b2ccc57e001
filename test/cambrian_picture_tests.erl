%% Pictures and reports of a run, from each of their sources.
-module(cambrian_picture_tests).
-include_lib("eunit/include/eunit.hrl").

-import(cambrian_drawing, [has/2, only_itself/1, svg/1, texts/2]).

%% Populations that stepped, and their recorded stories.
with_stories(Seeds, Check) ->
    {ok, _} = application:ensure_all_started(cambrian),
    Pairs = [begin
                 {ok, P} = cambrian_population:start(#{task => 'xor', seed => Seed}),
                 {ok, Recorder} = cambrian_recorder:start(P),
                 {ok, _} = cambrian_population:step(P, 12),
                 {P, Recorder}
             end || Seed <- Seeds],
    try Check([{P, cambrian_recorder:read(Recorder)} || {P, Recorder} <- Pairs])
    after
        [ok = Module:stop(Pid)
         || {P, Recorder} <- Pairs,
         {Module, Pid} <- [{cambrian_recorder, Recorder}, {cambrian_population, P}]]
    end.

desc(Picture) -> texts("/svg/desc", svg(Picture)).

ends(Picture) -> texts("//g[contains(@class,'cb-end')]/text", svg(Picture)).

every_source_gives_the_same_fitness_curve_test() ->
    with_stories([1], fun([{P, Story}]) ->
        Pictures =
            [cambrian_picture:fitness(Source)
             || Source <- [P, Story, [Story], cambrian_population:history(P),
                           maps:get(history, Story)]],
        ?assertMatch([_], lists:usort(Pictures)),
        only_itself(hd(Pictures)),
        #{best := Best} = lists:last(maps:get(history, Story)),
        ?assertEqual(["best", "mean"], lists:sort(ends(hd(Pictures)))),
        ?assert(has(hd(Pictures), iolist_to_binary(["best ends at ", cambrian_text:short(Best)])))
    end).

several_populations_have_their_own_names_and_colours_test() ->
    with_stories([1, 2], fun(Told) ->
        Stories = [Story || {_, Story} <- Told],
        ?assertEqual(["population 1", "population 2"],
                     lists:sort(ends(cambrian_picture:fitness(Stories)))),
        [First, Second] = Stories,
        ?assertEqual(["amsterdam", "tokyo"],
                     lists:sort(ends(cambrian_picture:fitness([First#{name := tokyo},
                                                               Second#{name := amsterdam}]))))
    end).

species_are_bands_where_their_sizes_are_known_test() ->
    with_stories([1], fun([{P, #{history := History} = Story}]) ->
        Seen = length(lists:usort([Id || #{sizes := Sizes} <- History, {Id, _} <- Sizes])),
        #{species := Last} = lists:last(History),
        ?assertEqual([lists:flatten(io_lib:format("~b species over 12 generations; ~b at the end.",
                                                  [Seen, Last]))],
                     desc(cambrian_picture:species(Story))),
        ?assertEqual([lists:flatten(io_lib:format("species over generation: species ends at ~b.",
                                                  [Last]))],
                     desc(cambrian_picture:species(P)))
    end).

a_picture_of_no_generation_says_that_there_is_nothing_to_show_test() ->
    [?assertEqual(["nothing to show yet"],
                  [T || T <- texts("//text", svg(Draw([]))), T =:= "nothing to show yet"])
     || Draw <- [fun cambrian_picture:fitness/1, fun cambrian_picture:species/1]].

%% A picture that ignored a misspelt option would look right.
an_unknown_option_is_named_test() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7),
    Genes = cambrian_genotype:to_map(G),
    Page = [#{generation => 0, best => 1.0, mean => 0.5, species => 1}],
    Sized = [#{generation => 0, sizes => [{1, 9}]}],
    Here = #{name => <<"here">>},
    Bad = fun(Draw, Options) ->
              try Draw(Options) of _ -> drawn
              catch error:badarg:Stack ->
                  [{_, _, Arity, Where} | _] = Stack,
                  #{error_info := #{module := Explains}} = maps:from_list(Where),
                  #{Arity := Text} = Explains:format_error(badarg, Stack),
                  unicode:characters_to_binary(Text)
              end
          end,
    [?assertEqual({See,
                   <<"unknown option widht (did you mean width?); the type ", See/binary,
                     " lists them">>},
                  {See, Bad(Draw, #{widht => 300})})
     || {Draw,
         See} <- [{fun(O) -> cambrian_picture:network(G, O) end, <<"cambrian_svg:network_opts()">>},
                  {fun(O) -> cambrian_svg:network(Genes, O) end, <<"cambrian_svg:network_opts()">>},
                  {fun(O) -> cambrian_picture:fitness(Page, O) end, <<"cambrian_chart:opts()">>},
                  {fun(O) -> cambrian_picture:species(Page, O) end, <<"cambrian_chart:opts()">>},
                  {fun(O) -> cambrian_picture:species(Sized, O) end, <<"cambrian_chart:opts()">>},
                  {fun(O) -> cambrian_heat:map([], [], #{}, O) end, <<"cambrian_heat:opts()">>},
                  {fun(O) -> cambrian_traffic:draw(Here, [], O) end,
                   <<"cambrian_traffic:opts()">>}]],
    ?assertEqual(<<"option width must be an integer from 1 to 100000, got: 0">>,
                 Bad(fun(O) -> cambrian_picture:network(G, O) end, #{width => 0})),
    ?assertEqual(<<"option labels must be a map with inputs and outputs, got: #{input => "
                   "[\"x\"]}">>,
                 Bad(fun(O) -> cambrian_picture:network(G, O) end, #{labels => #{input => ["x"]}})),
    ?assertEqual(<<"options must be a map, got: [{width,1}]">>,
                 Bad(fun(O) -> cambrian_picture:network(G, O) end, [{width, 1}])).

a_picture_takes_the_options_of_a_chart_test() ->
    Svg =
        cambrian_picture:fitness([#{generation => 0, best => 1.0, mean => 0.5}],
                                 #{title => "A start", width => 400}),
    ?assert(has(Svg, <<"viewBox=\"0 0 400 ">>)),
    ?assertEqual(["A start"], texts("/svg/title", svg(Svg))).

the_pictures_of_the_documents_are_those_of_their_script_test_() ->
    {timeout, 120, fun() ->
        cambrian_temporary:with_dir(fun(Dir) ->
            Pictures = cambrian_checkout:path("docs/pictures"),
            Beams = filename:dirname(code:which(cambrian_picture)),
            ?assertEqual("",
                         os:cmd(lists:join(" ",
                                           ["ERL_FLAGS='-pa", Beams, "' escript",
                                            filename:join(Pictures, "make.escript"), Dir]))),
            %% the diagram of the architecture is drawn by hand
            [_ | _] = Names = filelib:wildcard("*.svg", Pictures) -- ["architecture.svg"],
            Bytes =
                fun(Where, Name) -> {ok, Read} = file:read_file(filename:join(Where, Name)), Read
                end,
            ?assertEqual([], [Name || Name <- Names, Bytes(Pictures, Name) =/= Bytes(Dir, Name)])
        end)
    end}.

%% Of a long run the population and the recorder keep different generations.
a_long_story_keeps_its_species_test() ->
    with_stories([1], fun([{P, #{history := History} = Story}]) ->
        Odd = [Page || #{generation := Generation} = Page <- History, Generation rem 2 =:= 1],
        Whole = cambrian_story:of_population(P),
        #{history := Told} = cambrian_story:with_recorded(Whole, Story#{history := Odd}),
        ?assertEqual([Generation || #{generation := Generation} <- History],
                     [Generation || #{generation := Generation} <- Told]),
        ?assertEqual(length(Odd), length([x || #{sizes := _} <- Told]))
    end).

%%% ---- a report with one option ------------------------------------------------------------

evolve_writes_the_report_of_its_run_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = filename:join(Dir, "xor.html"),
        Options = #{seed => 42, generations => 30},
        {ok, #{champion := Champion, fitness := Fitness} = Result} =
            cambrian:evolve('xor', Options#{report => Path}),
        {ok, Page} = file:read_file(Path),
        Id = string:lowercase(binary:encode_hex(cambrian_genotype:id(Champion))),
        [?assert(has(Page, iolist_to_binary(Part)))
         || Part <- [Id, ["fitness <span class=\"num\">", cambrian_text:short(Fitness)],
                     "Species over time", "cb-band", "squared error"]],
        %% the report does not change the run
        {ok, Plain} = cambrian:evolve('xor', Options),
        ?assertEqual(maps:without([champion, elapsed_ms], Result),
                     maps:without([champion, elapsed_ms], Plain)),
        ?assertEqual([], filelib:wildcard(filename:join(Dir, "*.tmp")))
    end).

a_report_that_cannot_be_written_is_refused_before_the_run_test() ->
    ?assertEqual({error, {enoent, "/no/such/folder/x.html"}},
                 cambrian:evolve(fun(_) -> error(ran) end,
                                 #{inputs => 1, outputs => 1, report => "/no/such/folder/x.html"})),
    [?assertMatch({error, {bad_option, {report, Path, _}}},
                  cambrian:evolve('xor', #{report => Path}))
     || Path <- [7, "", <<>>, [foo], [$a | $b]]].

a_run_that_does_not_start_keeps_the_old_report_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = filename:join(Dir, "xor.html"),
        ok = file:write_file(Path, <<"the last one">>),
        ?assertMatch({error, {unknown_option, sede, _}},
                     cambrian:evolve('xor', #{sede => 42, report => Path})),
        ?assertEqual({ok, <<"the last one">>}, file:read_file(Path)),
        ?assertEqual({error, {eisdir, Dir}}, cambrian:evolve('xor', #{report => Dir})),
        ?assertEqual({ok, ["xor.html"]}, file:list_dir(Dir))
    end).

a_population_and_several_stories_can_be_reported_test() ->
    with_stories([1, 2], fun([{P, Story}, {_, Other}]) ->
        Of = fun(Source) -> iolist_to_binary(cambrian_report:html(Source)) end,
        ?assert(has(Of(P), <<"<title>xor, seed 1</title>">>)),
        ?assertNot(has(Of(P), <<"Species over time">>)),
        ?assert(has(Of(Story), <<"Species over time">>)),
        Both = Of([P, Other]),
        [?assert(has(Both, Part))
         || Part <- [<<"<title>xor, seed 1, 2</title>">>, <<"population 1">>, <<"population 2">>]]
    end).

the_report_lists_the_newcomers_test() ->
    with_stories([1], fun([{_, Story}]) ->
        Received = [#{generation => 3, from => <<1:256>>, outcome => failed, id => <<2:256>>},
                    #{generation => 4, from => other, outcome => accepted, fitness => 3.5,
                      id => <<3:256>>}],
        Page = iolist_to_binary(cambrian_report:html(Story#{received := Received})),
        [?assert(has(Page, Part))
         || Part <- [<<"Who sent what to whom">>, <<"not taken: failed">>, <<"0000001</td>">>,
                     <<"3.5">>]]
    end).
