%% @private
%% The pictures of the page, drawn when they are asked for: each for a desk, or, `narrow', for a hand.
-module(cambrian_dashboard_pictures).

-export([answer/2]).

-define(MAX_ORIGINS, 6).

-spec answer(Name :: binary(), Query :: #{binary() => binary()}) -> {200 | 404, [{string(), string()}], iodata()}.
answer(Name, Query) ->
    {#{populations := Populations} = Snapshot, _} = cambrian_dashboard_state:snapshot(),
    Wanted = maps:get(<<"population">>, Query, <<>>),
    Chosen = [Population || #{text := Text, task_id := _} = Population <- Populations, Text =:= Wanted],
    Narrow = is_map_key(<<"narrow">>, Query),
    case picture(Name, Chosen, Snapshot) of
        {Of, Draw} ->
            Svg = cambrian_dashboard_state:picture({{Name, Wanted, Narrow}, Of}, fun() -> Draw(width(Narrow)) end),
            {200, [{"content-type", "image/svg+xml"}], Svg};
        none -> {404, [{"content-type", "text/plain"}], <<"there is no such picture\n">>}
    end.

%% The page has the style of all pictures, and says what they are.
width(true) -> #{embed => true, width => 360};
width(false) -> #{embed => true, width => 720}.

%% What it depends on, and how it is drawn.
picture(<<"fitness">>, [#{task_id := Task}], #{populations := All, mesh := Mesh}) ->
    Same = [Population || #{task_id := Of} = Population <- All, Of =:= Task],
    Migrations = case Mesh of none -> []; #{migrations := Some} -> Some end,
    Peers = case Mesh of none -> []; #{peers := Known} -> Known end,
    Bests = cambrian_dashboard_migration:bests(Task, Migrations),
    {{[{Text, generation(Population)} || #{text := Text} = Population <- Same], Bests},
     fun(Size) -> fitness(Same, Bests, Peers, Size) end};
picture(<<"species">>, [#{name := Name}], _) ->
    Species = cambrian_dashboard_state:species(Name),
    {Species, fun(Size) -> cambrian_bands:stacked(Species, small(Size, <<"Species over time">>)) end};
picture(<<"diversity">>, [Population], _) ->
    Names = [{<<"species">>, species}],
    {generation(Population), fun(Size) -> lines(Names, Population, small(Size, <<"Number of species">>)) end};
picture(<<"size">>, [Population], _) ->
    Names = [{<<"connections">>, mean_connections}, {<<"nodes">>, mean_nodes}],
    {generation(Population), fun(Size) -> lines(Names, Population, small(Size, <<"Mean size of a genotype">>)) end};
picture(<<"champion">>, [#{champion := #{champion := Genotype}}], _) ->
    {cambrian_genotype:id(Genotype),
     fun(Size) ->
         cambrian_svg:network(cambrian_genotype:to_map(Genotype), Size#{title => <<"The champion's network">>})
     end};
picture(<<"mesh">>, _, #{mesh := #{} = Mesh}) ->
    {Here, Senders} = Of = senders(Mesh),
    Height = case length(Senders) of Few when Few =< 2 -> 170; Some when Some =< 6 -> 260; _ -> 380 end,
    Title = <<"Who sent what to this node">>,
    {Of, fun(Size) -> cambrian_traffic:draw(Here, Senders, (half(Size))#{height => Height, title => Title}) end};
picture(<<"migrations">>, _, #{mesh := #{} = Mesh, populations := Populations}) ->
    {Rows, Columns, Cells} = Of = heat(Mesh, Populations),
    Title = <<"Migrations, taken of those that were tried">>,
    {Of, fun(Size) -> cambrian_heat:map(Rows, Columns, Cells, (half(Size))#{title => Title}) end};
picture(_, _, _) -> none.

generation(#{stats := #{generation := Generation}}) -> Generation;
generation(_) -> none.

pages(#{history := History}) -> cambrian_history:pages(History).

%%% ---- of populations ---------------------------------------------------------------------

%% The populations of a task here, and what others have found for it, each by its own generations.
fitness(Populations, Bests, Peers, #{width := Width} = Size) ->
    Own = [[#{name => Text, group => I, weight => bold, points => [{G, B} || #{generation := G, best := B} <- Pages]},
            #{name => [Text, ", mean"], group => I, weight => light, label => false,
              points => [{G, M} || #{generation := G, mean := M} <- Pages]}]
           || {I, #{text := Text} = Population} <- lists:enumerate(Populations), Pages <- [pages(Population)]],
    Last = lists:max([0 | [G || #{points := Points} <- lists:append(Own), {G, _} <- Points]]),
    Ranked = lists:sort([{-element(2, lists:last(Found)), Origin, Found} || {Origin, Found} <- maps:to_list(Bests)]),
    Others = [#{name => cambrian_dashboard_migration:name(Origin, Peers), group => length(Populations) + I,
                points => steps(Found, Last)}
              || {I, {_, Origin, Found}} <- lists:enumerate(lists:sublist(Ranked, ?MAX_ORIGINS))],
    cambrian_chart:chart(lists:append(Own) ++ Others,
                         Size#{title => <<"Fitness by generation">>, x_label => <<"generation">>, y_label => <<"fitness">>,
                               height => case Width of 360 -> 280; _ -> 320 end}).

%% A best stays the best until there is a better one.
steps([{_, Fitness} = Point, {Next, _} = Better | Rest], Last) -> [Point, {Next, Fitness} | steps([Better | Rest], Last)];
steps([{Generation, Fitness} = Point], Last) -> [Point, {max(Generation, Last), Fitness}].

lines(Names, Population, Size) ->
    Pages = pages(Population),
    Points = fun(Key) -> [{G, maps:get(Key, Page)} || #{generation := G} = Page <- Pages] end,
    cambrian_chart:chart([#{name => Name, points => Points(Key)} || {Name, Key} <- Names], Size).

%% Two beside each other.
half(#{width := 720} = Size) -> Size#{width := 500};
half(Size) -> Size.

small(Size, Title) -> Size#{title => Title, x_label => <<"generation">>, width => 360, height => 220}.

%%% ---- of the mesh ------------------------------------------------------------------------

senders(#{peers := Peers, migrations := Migrations, counts := Counts}) ->
    Sums = cambrian_dashboard_migration:of_origins(Migrations),
    None = #{count => 0, taken => 0},
    Senders = [sender(Peer, maps:get(Origin, Sums, None), Peers) || #{origin := Origin} = Peer <- Peers],
    Published = ["published ", cambrian_text:short(maps:get(published, Counts, 0))],
    {#{name => <<"this node">>, note => Published},
     lists:sort(fun(#{count := A}, #{count := B}) -> A >= B end, Senders)}.

sender(#{origin := Origin, alive := Alive}, #{count := Count, taken := Taken} = Sum, Peers) ->
    Last = maps:from_list([{last, Outcome =:= accepted} || #{last := Outcome} <- [Sum]]),
    Last#{name => cambrian_dashboard_migration:name(Origin, Peers), alive => Alive, count => Count, taken => Taken}.

%% A genotype is tried by all populations of its task, and the first verdict counts: so these are one column.
heat(#{peers := Peers, migrations := Migrations}, Populations) ->
    Pairs = cambrian_dashboard_migration:pairs(Migrations),
    Origins = lists:usort([Origin || {Origin, _} <- maps:keys(Pairs)]),
    Tasks = lists:usort([Task || {_, Task} <- maps:keys(Pairs)]),
    {lists:keysort(2, [{Origin, cambrian_dashboard_migration:name(Origin, Peers)} || Origin <- Origins]),
     [{Task, column(Task, Populations)} || Task <- Tasks],
     maps:map(fun(_, #{count := Count, taken := Taken}) -> {Count, Taken} end, Pairs)}.

column(Task, Populations) ->
    case [Text || #{task_id := Of, text := Text} <- Populations, Of =:= Task] of
        [] -> Task;
        Names -> lists:join(<<", ">>, Names)
    end.
