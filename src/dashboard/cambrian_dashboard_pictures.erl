%% @private
%% Draws the pictures of the page on request, each for a wide screen or a `narrow' one.
-module(cambrian_dashboard_pictures).

-export([answer/2]).

-define(MAX_ORIGINS, 6).
%% A picture of all that a running population has found is kept for so long, however fast it runs
%% and whoever looks. It shows at most so many networks of a front.
-define(KEPT_MS, 2000).
-define(MAX_NETWORKS, 300).
-define(ANSWER_MS, 2000).

-spec answer(Name :: binary(), Query :: #{binary() => binary()}) ->
          {200 | 404, [{string(), string()}], iodata()}.
answer(Name, Query) ->
    {#{populations := Populations} = Snapshot, _} = cambrian_dashboard_state:snapshot(),
    Wanted = maps:get(<<"population">>, Query, <<>>),
    Chosen = [Population || #{text := Text, task_id := _} = Population <- Populations,
                            Text =:= Wanted],
    IsNarrow = is_map_key(<<"narrow">>, Query),
    case picture(Name, Chosen, Snapshot) of
        {Data, Draw} ->
            Key = {Name, Wanted, IsNarrow},
            DrawNow = fun() -> Draw(options(IsNarrow)) end,
            Svg = cambrian_dashboard_state:picture({Key, Data}, DrawNow),
            {200, [{"content-type", "image/svg+xml"}], Svg};
        none -> {404, [{"content-type", "text/plain"}], <<"there is no such picture\n">>}
    end.

%% The pictures are embedded: the page has their style and their descriptions.
options(true) -> #{embed => true, width => 360};
options(false) -> #{embed => true, width => 720}.

%% Returns the data that a picture shows, and a fun that draws it.
picture(<<"fitness">>, [#{task_id := Task}], #{populations := All, mesh := Mesh}) ->
    Same = [Population || #{task_id := Of} = Population <- All, Of =:= Task],
    Migrations = case Mesh of none -> []; #{migrations := Some} -> Some end,
    Peers = case Mesh of none -> []; #{peers := Known} -> Known end,
    Bests = cambrian_dashboard_migration:bests(Task, Migrations),
    {{[{Text, generation(Population)} || #{text := Text} = Population <- Same], Bests},
     fun(Size) -> fitness(Same, Bests, Peers, Size) end};
picture(<<"species">>, [#{name := Name}], _) ->
    Species = cambrian_dashboard_state:species(Name),
    {Species,
     fun(Size) -> cambrian_bands:stacked(Species, small(Size, <<"Species over time">>)) end};
picture(<<"diversity">>, [Population], _) ->
    Names = [{<<"species">>, species}],
    {generation(Population),
     fun(Size) -> lines(Names, Population, small(Size, <<"Number of species">>)) end};
picture(<<"size">>, [Population], _) ->
    Names = [{<<"connections">>, mean_connections}, {<<"nodes">>, mean_nodes}],
    {generation(Population),
     fun(Size) -> lines(Names, Population, small(Size, <<"Mean size of a genotype">>)) end};
picture(<<"champion">>, [#{champion := #{champion := Genotype}}], _) ->
    {cambrian_genotype:id(Genotype),
     fun(Size) ->
         Genes = cambrian_genotype:to_map(Genotype),
         cambrian_svg:network(Genes, Size#{title => <<"The champion's network">>})
     end};
picture(<<"archive">>, [#{search := map_elites, stats := #{}} = Population], _) ->
    {moment(Population), fun(Size) -> archive(Population, Size) end};
picture(<<"front">>, [#{search := pareto, stats := #{}} = Population], _) ->
    {moment(Population), fun(Size) -> front(Population, Size) end};
picture(<<"mesh">>, _, #{mesh := #{} = Mesh}) ->
    {Here, Senders} = Data = senders(Mesh),
    Height = traffic_height(length(Senders)),
    Title = <<"Who sent what to this node">>,
    {Data,
     fun(Size) ->
         cambrian_traffic:draw(Here, Senders, (half(Size))#{height => Height, title => Title})
     end};
picture(<<"migrations">>, _, #{mesh := #{} = Mesh, populations := Populations}) ->
    {Rows, Columns, Cells} = Data = heat(Mesh, Populations),
    Title = <<"Migrations, taken of those that were tried">>,
    {Data, fun(Size) -> cambrian_heat:map(Rows, Columns, Cells, (half(Size))#{title => Title}) end};
picture(_, _, _) -> none.

traffic_height(Senders) when Senders =< 2 -> 170;
traffic_height(Senders) when Senders =< 6 -> 260;
traffic_height(_Senders) -> 380.

generation(#{stats := #{generation := Generation}}) -> Generation;
generation(_) -> none.

moment(#{state := running}) -> {running, erlang:monotonic_time(millisecond) div ?KEPT_MS};
moment(Population) -> {resting, generation(Population)}.

pages(#{history := History}) -> cambrian_history:pages(History).

%%% ---- of populations ---------------------------------------------------------------------

%% Shows the populations of a task on this node, and the bests of other nodes, each by its own
%% generations.
fitness(Populations, Bests, Peers, #{width := Width} = Size) ->
    Own = [[#{name => Text, group => I, weight => bold,
              points => [{G, B} || #{generation := G, best := B} <- Pages]},
            #{name => [Text, ", mean"], group => I, weight => light, label => false,
              points => [{G, M} || #{generation := G, mean := M} <- Pages]}]
           || {I, #{text := Text} = Population} <- lists:enumerate(Populations),
              Pages <- [pages(Population)]],
    Last = lists:max([0 | [G || #{points := Points} <- lists:append(Own), {G, _} <- Points]]),
    Ranked = lists:sort([{-element(2, lists:last(Found)), Origin, Found}
                         || {Origin, Found} <- maps:to_list(Bests)]),
    Others = [#{name => cambrian_dashboard_migration:name(Origin, Peers),
                group => length(Populations) + I, points => steps(Found, Last)}
              || {I, {_, Origin, Found}} <- lists:enumerate(lists:sublist(Ranked, ?MAX_ORIGINS))],
    cambrian_chart:chart(lists:append(Own) ++ Others,
                         Size#{title => <<"Fitness by generation">>,
                               x_label => <<"generation">>, y_label => <<"fitness">>,
                               height => case Width of 360 -> 280; _ -> 320 end}).

%% The best fitness stays constant until the next improvement.
steps([{_, Fitness} = Point, {Next, _} = Better | Rest], Last) ->
    [Point, {Next, Fitness} | steps([Better | Rest], Last)];
steps([{Generation, Fitness} = Point], Last) -> [Point, {max(Generation, Last), Fitness}].

lines(Names, Population, Size) ->
    Pages = pages(Population),
    Points = fun(Key) -> [{G, maps:get(Key, Page)} || #{generation := G} = Page <- Pages] end,
    cambrian_chart:chart([#{name => Name, points => Points(Key)} || {Name, Key} <- Names], Size).

%% The page shows two of these pictures side by side, or an archive in half of its width.
half(#{width := 720} = Size) -> Size#{width := 500};
half(Size) -> Size.

small(Size, Title) ->
    Size#{title => Title, x_label => <<"generation">>, width => 360, height => 220}.

archive(#{pid := Pid}, Size) ->
    Archive = asked(fun() -> cambrian_population:archive(Pid) end),
    cambrian_archive:to_svg(Archive, (half(Size))#{title => <<"The archive">>}).

front(#{pid := Pid}, Size) ->
    #{front := Front} = Part =
        asked(fun() -> cambrian_population_client:some_of_front(Pid, ?MAX_NETWORKS) end),
    #{parameters := #{objectives := Pursued}} =
        asked(fun() -> {ok, cambrian_population:info(Pid)} end),
    Count = case Front of [] -> 0; [#{objectives := Objectives} | _] -> length(Objectives) end,
    Opts = maps:merge(Size, maps:with([count, champion], Part)),
    cambrian_front:to_svg(Front, Opts#{title => <<"The front">>,
                                       labels => cambrian_front:labels(Pursued, Count)}).

%% A population that is ending or busy has no answer; the server then says to ask again.
asked(Question) ->
    case cambrian_async:await(cambrian_async:start(Question), ?ANSWER_MS) of
        {ok, {ok, Answer}} -> Answer;
        _ -> exit(no_answer)
    end.

%%% ---- of the mesh ------------------------------------------------------------------------

senders(#{peers := Peers, migrations := Migrations, counts := Counts}) ->
    Sums = cambrian_dashboard_migration:of_origins(Migrations),
    None = #{count => 0, taken => 0},
    Senders = [sender(Peer, maps:get(Origin, Sums, None), Peers)
               || #{origin := Origin} = Peer <- Peers],
    Published = ["published ", cambrian_text:short(maps:get(published, Counts, 0))],
    {#{name => <<"this node">>, note => Published},
     lists:sort(fun(#{count := A}, #{count := B}) -> A >= B end, Senders)}.

sender(#{origin := Origin, alive := Alive}, #{count := Count, taken := Taken} = Sum, Peers) ->
    Last = maps:from_list([{last, Outcome =:= accepted} || #{last := Outcome} <- [Sum]]),
    Last#{name => cambrian_dashboard_migration:name(Origin, Peers), alive => Alive,
          count => Count, taken => Taken}.

%% All populations of a task share one column: each of them tries a genotype, and the first verdict
%% counts.
heat(#{peers := Peers, migrations := Migrations}, Populations) ->
    Pairs = cambrian_dashboard_migration:pairs(Migrations),
    Origins = lists:usort([Origin || {Origin, _} <- maps:keys(Pairs)]),
    Tasks = lists:usort([Task || {_, Task} <- maps:keys(Pairs)]),
    {lists:keysort(2, [{Origin, cambrian_dashboard_migration:name(Origin, Peers)}
                       || Origin <- Origins]),
     [{Task, column(Task, Populations)} || Task <- Tasks],
     maps:map(fun(_, #{count := Count, taken := Taken}) -> {Count, Taken} end, Pairs)}.

column(Task, Populations) ->
    case [Text || #{task_id := Of, text := Text} <- Populations, Of =:= Task] of
        [] -> Task;
        Names -> lists:join(<<", ">>, Names)
    end.
