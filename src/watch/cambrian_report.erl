%% @doc Makes one HTML page of a run: the champion, how evolution found it, and how to repeat the
%% run.
%%
%% The page is self-contained: it loads nothing and runs no script (its own policy forbids both). It
%% follows the reader's light or dark setting and fits a phone. Names and reasons from other nodes
%% are only text in it.
%%
%% ```
%% 1> Generation = #{generation => 0, evaluations => 150, best => 3.1, mean => 2.6,
%%                   species => 4, elapsed_ms => 12}.
%% 2> Population = #{name => here, seed => 42, history => [Generation], received => []}.
%% 3> Run = #{title => "A start", task => 'xor', seed => 42, populations => [Population]}.
%% 4> <<"<!DOCTYPE html>", _/binary>> = iolist_to_binary(cambrian_report:html(Run)).
%% '''
-module(cambrian_report).

-import(cambrian_report_html, [both/3, details/2, name/1, row/2, rows/3, section/3]).
-import(cambrian_text, [counted/2, escape/1, exact/1, plural/2, short/1, text/1]).

-export([html/1, write/2, run/1]).
-export_type([source/0, run/0, population/0, generation/0, arrival/0, champion/0]).

-type text() :: cambrian_text:text().

-type generation() :: #{
    generation := non_neg_integer(),
    evaluations := non_neg_integer(),
    failures => non_neg_integer(),
    best := number(),
    mean := number(),
    species := non_neg_integer(),
    elapsed_ms := number(),
    sizes => [{SpeciesId :: term(), Size :: non_neg_integer()}]
}.
%% Evaluations, failed evaluations and time count from the start of the run.

-type arrival() :: #{
    generation := non_neg_integer(),
    from := text(),
    fitness => number(),
    outcome := accepted | rejected | {rejected, Reason :: term()}
}.

-type population() :: #{
    name := text(),
    seed := integer(),
    history := [generation()],
    received => [arrival()],
    archive => cambrian_archive:archive(),
    front => #{
        networks := cambrian_front:front(),
        champion => cambrian_genotype:id(),
        labels => [text()]
    }
}.
%% A population with an archive or a front has a picture of it. `labels' are the names of the
%% objectives.

-type champion() :: #{
    found_by := text(),
    generation := non_neg_integer(),
    fitness := number(),
    id := text(),
    genotype := cambrian_graph:genotype(),
    test => [{Label :: text(), Value :: text()}],
    labels => #{inputs => [text()], outputs => [text()]}
}.

-type run() :: #{
    title := text(),
    task := text(),
    seed := integer() | text(),
    started => text(),
    facts => [{Label :: text(), Value :: text()}],
    populations := [population()],
    champion => champion()
}.

-type source() :: run() | cambrian_story:source().
%% A run with your own words, a population as it is now, a story of
%% {@link cambrian_recorder:read/1}, or a list of populations and stories.

%% These limit the size of the page. It says how many items it does not show.
-define(MAX_LINES, 24).
-define(MAX_PANELS, 24).
-define(MAX_ARRIVALS, 500).
-define(MAX_MATRIX, 12).
-define(MAX_FACTS, 200).
%% A network up to this size is drawn a second time for a phone; a larger one scrolls.
-define(MAX_NARROW, 80).
-define(MAX_NARROW_NODES, 24).
-define(NARROW, 360).

%% ---------------------------------------------------------------------------------------------
%% The page
%% ---------------------------------------------------------------------------------------------

%% @doc Writes the page of a run to a file, completely or not at all.
%%
%% An existing file keeps its mode and its owner, and, if writing fails, its content. The function
%% follows a symbolic link, and writes to a device or a pipe.
%%
%% ```
%% 1> Run = #{title => <<"First try">>, task => 'xor', seed => 42, populations => []}.
%% 2> cambrian_report:write("/no/such/folder/run.html", Run).
%% {error,enoent}
%% '''
-spec write(file:name_all(), source()) ->
          ok | {error, Reason :: file:posix() | badarg | terminated | system_limit}.
write(Path, Source) -> cambrian_file:save(Path, html(Source)).

%% @doc Makes the page of a run as UTF-8 text: HTML that is well-formed XML too.
%%
%% A run needs only `title', `task', `seed' and `populations': a run without a champion has a page
%% too.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> {ok, _} = cambrian_population:step(P, 3).
%% 3> Page = cambrian_report:html(P).
%% 4> re:run(Page, "<title>(.*)</title>", [{capture, all_but_first, binary}]).
%% {match,[<<"xor, seed 42">>]}
%% 5> ok = cambrian_population:stop(P).
%% '''
-spec html(source()) -> iodata().
html(#{title := _} = Run) -> page(Run);
html(Source) -> page(run(Source)).

%% @doc Makes a run of a source. You can change the run before you show it: the title, labels of
%% inputs and outputs, facts.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> {ok, _} = cambrian_population:step(P, 3).
%% 3> #{champion := Champion} = Run = cambrian_report:run(P).
%% 4> Labelled = Champion#{labels => #{inputs => ["a", "b"]}}.
%% 5> Page = cambrian_report:html(Run#{title := "A start", champion := Labelled}).
%% 6> re:run(Page, "<title>(.*)</title>", [{capture, all_but_first, binary}]).
%% {match,[<<"A start">>]}
%% 7> ok = cambrian_population:stop(P).
%% '''
-spec run(cambrian_story:source()) -> run().
run(Source) -> cambrian_story:run(cambrian_story:with_answers(Source)).

page(Run) ->
    Title = escape(map_get(title, Run)),
    [
        <<"<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
        "<meta charset=\"utf-8\" />\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n"
        %% Even if a name got past the escaping, the page would not run it.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
        "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\" />\n"
        "<meta name=\"color-scheme\" content=\"light dark\" />\n"
        "<link rel=\"icon\" href=\"data:,\" />\n<title>">>,
        Title, <<"</title>\n<style>\n">>, cambrian_theme:style(), cambrian_report_style:style(),
        <<"</style>\n</head>\n<body>\n<main>\n">>,
        headline(Run),
        key_facts(Run),
        fitness(Run),
        species(Run),
        network(Run),
        cambrian_report_answers:sections(maps:get(populations, Run)),
        travel(Run),
        repeat(Run),
        <<"</main>\n<footer><p>Made by Cambrian. This page holds all that it shows: "
        "it loads nothing and runs no script.</p></footer>\n</body>\n</html>\n">>
    ].

%% ---------------------------------------------------------------------------------------------
%% The headline
%% ---------------------------------------------------------------------------------------------

headline(Run) ->
    Above = [map_get(title, Run)] ++ [when_started(T) || #{started := T} <- [Run]],
    [
        <<"<header>\n<p class=\"above\">">>,
        lists:join(<<" · "/utf8>>, [escape(T) || T <- Above]),
        <<"</p>\n<h1>">>, sentence(Run), <<"</h1>\n">>,
        [[<<"<p class=\"lead\">">>, L, <<"</p>\n">>] || L <- lead(Run)], <<"</header>\n">>
    ].

sentence(#{champion := #{found_by := By, fitness := Fitness, generation := Generation},
           task := Task}) ->
    [
        <<"<span class=\"who\">">>, name(By), <<"</span> found a champion for ">>, plain(Task),
        <<": fitness ">>, <<"<span class=\"num\">">>, short(Fitness),
        <<"</span> in generation ">>, short(Generation), "."
    ];
sentence(#{task := Task}) ->
    [<<"No champion for ">>, plain(Task), <<" yet.">>].

%% Describes the champion, and its results in tests that were not part of evolution.
lead(#{champion := #{genotype := Genotype} = Champion}) ->
    #{nodes := Nodes, connections := Connections} = Genotype,
    Hidden = length([x || #{kind := hidden} <- Nodes]),
    Tests = [[escape(Value), " ", escape(Label)] || {Label, Value} <- maps:get(test, Champion, [])],
    [[
        "Its network has ", counted(Hidden, "hidden node"), " and ",
        counted(length(Connections), "connection"), ".",
        [[" Tested afterwards: ", lists:join("; ", Tests), "."] || Tests =/= []]
    ]];
lead(_) ->
    [].

%% A name such as double_pole_novel reads better as words. The exact name of the task stands in the
%% section about repeating the run.
plain(Task) ->
    binary:replace(escape(Task), <<"_">>, <<" ">>, [global]).

%% 2024-06-11T09:42:07Z without the letters of its format.
when_started(Time) ->
    case escape(Time) of
        <<Date:10/binary, "T", Hour:5/binary, _/binary>> -> <<Date/binary, " ", Hour/binary>>;
        Other -> Other
    end.

key_facts(#{populations := Populations} = Run) ->
    Last = [lists:last(H) || #{history := [_ | _] = H} <- Populations],
    Sum = fun(Key) -> lists:sum([map_get(Key, G) || G <- Last]) end,
    %% The value of the population that had most.
    Longest = fun(Key) -> lists:max([0 | [map_get(Key, G) || G <- Last]]) end,
    Failed = lists:sum(lists:map(fun failures/1, Last)),
    Tests = [{Label, Value} || #{champion := #{test := Test}} <- [Run],
                               {Label, Value} <- lists:sublist(Test, 8)],
    Facts = Tests ++ [
        {plural(length(Populations), "population"), short(length(Populations))},
        {plural(generations(Last), "generation"), short(generations(Last))},
        {[plural(Sum(evaluations), "evaluation"), " in all"], short(Sum(evaluations))}
    ] ++ [{"of them failed", short(Failed)} || Failed > 0] ++ [
        {"time", duration(Longest(elapsed_ms))},
        {"seed", map_get(seed, Run)}
    ],
    [
        <<"<dl class=\"facts\">\n">>,
        [[<<"<div><dt>">>, escape(L), <<"</dt><dd>">>, escape(V), <<"</dd></div>\n">>]
         || {L, V} <- Facts],
        <<"</dl>\n">>
    ].

%% ---------------------------------------------------------------------------------------------
%% Fitness and species
%% ---------------------------------------------------------------------------------------------

%% Generations are numbered from 0.
generations([]) -> 0;
generations(Last) -> 1 + lists:max([G || #{generation := G} <- Last]).

fitness(#{populations := []}) ->
    [];
fitness(#{populations := Populations} = Run) ->
    Kept = best_populations(Populations),
    Marks = lists:append([marks(P) || P <- Kept]),
    Found = [#{x => G, series => By, weight => bold, label => ["champion: ", short(F)]} ||
        #{champion := #{found_by := By, generation := G, fitness := F}} <- [Run]],
    Opts = #{
        title => <<"Fitness by generation">>, x_label => <<"generation">>, y_label => <<"fitness">>,
        marks => Marks ++ Found, embed => true
    },
    Draw = fun(Size) -> cambrian_picture:fitness(Kept, maps:merge(Opts, Size)) end,
    Without = length(Populations) - length(Kept),
    Bests = [B || #{history := History} <- Populations, #{best := B} <- History],
    Fittest = lists:max([-1.0e300 | Bests]),
    section("fitness", "Fitness", [
        <<"<figure>\n">>,
        both(Draw, #{width => 720, height => 340}, #{width => ?NARROW, height => 300}),
        <<"<figcaption>Generations are numbered from 0. Bold: the best of each population. "
        "Light: its mean.">>,
        [<<" The ring is where the champion was found.">> || Found =/= []],
        [[" The champion was the first to pass the task's own trial; the fittest of all had ",
          short(Fittest), "."]
         || #{champion := #{fitness := F, test := [_ | _]}} <- [Run], Fittest > F],
        [<<" A diamond is a champion that came in from another population, "
         "hollow when it was not taken.">> || Marks =/= []],
        [[" Not shown: ", counted(Without, "population"), " that did less well."]
         || Without > 0],
        <<"</figcaption>\n</figure>\n">>
    ]).

best_populations(Populations) when length(Populations) =< ?MAX_LINES ->
    Populations;
best_populations(Populations) ->
    Best = fun(#{history := H}) -> lists:max([-1.0e300 | [B || #{best := B} <- H]]) end,
    Ranked = lists:sort([{-Best(P), I} || {I, P} <- lists:enumerate(Populations)]),
    Keep = maps:from_list([{I, true} || {_, I} <- lists:sublist(Ranked, ?MAX_LINES)]),
    [P || {I, P} <- lists:enumerate(Populations), is_map_key(I, Keep)].

marks(#{name := Name} = Population) ->
    [
        #{x => G, series => Name, weight => case Outcome of accepted -> normal; _ -> light end,
            label => ["generation ", short(G), ": from ", text(From),
                [[", fitness ", short(F)] || #{fitness := F} <- [Arrival]],
                ", ", outcome(Outcome)]}
     || #{generation := G, from := From, outcome := Outcome} = Arrival
            <- maps:get(received, Population, [])
    ].

species(#{populations := Populations}) ->
    Known = [P || #{history := History} = P <- Populations,
                  lists:any(fun(G) -> is_map_key(sizes, G) end, History)],
    Shown = lists:sublist(Known, ?MAX_PANELS),
    section("species", "Species over time", [
        [
            panels(Shown),
            <<"<p class=\"note\">Each band is a species, as tall as it has members; "
            "the number is its id. The oldest are at the bottom.">>,
            [[" Not shown: ", counted(length(Known) - length(Shown), "population"), "."]
             || length(Shown) < length(Known)], <<"</p>\n">>
        ]
     || Shown =/= []
    ]).

%% A single panel gets the whole width of the page.
panels([#{name := Name, history := History}]) ->
    Draw = fun(Size) -> bands(Name, History, Size) end,
    Pictures = both(Draw, #{width => 720, height => 300}, #{width => ?NARROW, height => 240}),
    [<<"<figure>\n">>, Pictures, <<"</figure>\n">>];
panels(Populations) ->
    Panels = [panel(P, reach(Populations)) || P <- Populations],
    [<<"<div class=\"panels\">\n">>, Panels, <<"</div>\n">>].

%% All panels have the same axes, so that they can be compared.
reach(Populations) ->
    Last = [G || #{history := History} <- Populations, #{generation := G, sizes := _} <- History],
    Most = [lists:sum([S || {_, S} <- Sizes])
            || #{history := History} <- Populations, #{sizes := Sizes} <- History],
    [{lists:min(Last), 0}, {lists:max(Last), lists:max(Most)}].

panel(#{name := Name, history := History}, Reach) ->
    Picture = bands(Name, History, #{cover => Reach, width => ?NARROW, height => 220}),
    [<<"<figure><h3>">>, name(Name), <<"</h3>\n">>, Picture, <<"</figure>\n">>].

bands(Name, History, Opts) ->
    Title = ["Species over time in ", text(Name)],
    cambrian_picture:species(History, Opts#{title => Title, embed => true}).

%% ---------------------------------------------------------------------------------------------
%% The champion
%% ---------------------------------------------------------------------------------------------

network(#{champion := #{genotype := Genotype, id := Id} = Champion}) ->
    Labels = maps:get(labels, Champion, #{}),
    Opts = #{title => <<"The champion's network">>, labels => Labels, embed => true},
    section("champion", "The champion", [
        <<"<figure>\n">>,
        champion_picture(Genotype, Opts),
        <<"<figcaption>Inputs at the left, outputs at the right. Point at a node or a line for its "
        "exact values; the tables below have them all.</figcaption>\n</figure>\n">>,
        <<"<p class=\"id\">Genotype <code>">>, escape(Id), <<"</code></p>\n">>,
        tables(Genotype, cambrian_graph:names(Genotype, Labels))
    ]);
network(_) ->
    [].

champion_picture(#{nodes := Nodes, connections := Links} = Genotype, Opts) ->
    case length(Links) =< ?MAX_NARROW andalso length(Nodes) =< ?MAX_NARROW_NODES of
        true ->
            Draw = fun(Size) -> cambrian_svg:network(Genotype, maps:merge(Opts, Size)) end,
            both(Draw, #{width => 720}, #{width => ?NARROW});
        false ->
            [
                <<"<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
                "aria-label=\"The champion's network\">\n">>,
                cambrian_svg:network(Genotype, Opts), <<"</div>\n">>
            ]
    end.

tables(#{nodes := Nodes} = Genotype, Names) ->
    Links = cambrian_graph:links(Genotype),
    Besides = lists:any(fun(Node) -> cambrian_graph:words(Node) =/= [] end, Nodes),
    Ranked = lists:sort([{-abs(W), Id, Link} || #{id := Id, weight := W} = Link <- Links]),
    Strongest = [Link || {_, _, Link} <- Ranked],
    [
        details(["All ", counted(length(Links), "connection"), ", the strongest first"], [
            row("th", ["from", "to", {num, "weight"}, "kind"]),
            rows(fun(Link) -> link_row(Link, Names) end, Strongest, 4)
        ]),
        details(["All ", counted(length(Nodes), "node")], [
            row("th", ["node", "kind", "activation", {num, "bias"} | ["besides" || Besides]]),
            rows(fun(Node) -> node_row(Node, Names, Besides) end, Nodes, 4)
        ])
    ].

node_row(#{id := Id, kind := Kind, activation := Activation, bias := Bias} = Node, Names,
         Besides) ->
    row("td", [map_get(Id, Names), Kind, Activation, {num, exact(Bias)}
               | [lists:join("; ", cambrian_graph:words(Node)) || Besides]]).

link_row(#{from := From, to := To, weight := Weight, enabled := Enabled, kind := Kind}, Names) ->
    Words = ["recurrent" || Kind =/= forward] ++ ["disabled" || not Enabled],
    row("td", [map_get(From, Names), map_get(To, Names), {num, exact(Weight)},
               lists:join(", ", Words)]).

%% ---------------------------------------------------------------------------------------------
%% Who sent what to whom
%% ---------------------------------------------------------------------------------------------

travel(#{populations := Populations}) ->
    Arrivals = [{G, text(To), A} || #{name := To, received := Received} <- Populations,
                                    #{generation := G} = A <- Received],
    section("travel", "Who sent what to whom", [
        [matrix(Arrivals), arrivals(lists:keysort(1, Arrivals))] || Arrivals =/= []
    ]).

%% Draws a row for each receiver and a column for each sender, or a list of pairs if there are many.
matrix(Arrivals) ->
    Pairs = lists:foldl(
        fun({_, To, #{from := From, outcome := Outcome}}, Acc) ->
            Taken = case Outcome of accepted -> 1; _ -> 0 end,
            Add = fun({T, N}) -> {T + Taken, N + 1} end,
            maps:update_with({To, text(From)}, Add, {Taken, 1}, Acc)
        end,
        #{},
        Arrivals
    ),
    To = lists:usort([T || {T, _} <- maps:keys(Pairs)]),
    From = lists:usort([F || {_, F} <- maps:keys(Pairs)]),
    case length(To) =< ?MAX_MATRIX andalso length(From) =< ?MAX_MATRIX of
        true -> square(To, From, Pairs);
        false -> list(Pairs)
    end.

square(To, From, Pairs) ->
    Most = lists:max([T || {T, _} <- maps:values(Pairs)]),
    [
        <<"<div class=\"scroll\"><table class=\"matrix\">\n"
        "<caption>Champions taken, of those that arrived</caption>\n">>,
        <<"<tr><td></td>">>, [[<<"<th scope=\"col\">from ">>, name(F), <<"</th>">>] || F <- From],
        <<"</tr>\n">>,
        [
            [
                <<"<tr><th scope=\"row\">to ">>, name(T), <<"</th>">>,
                [pair_cell(maps:get({T, F}, Pairs, none), Most) || F <- From], <<"</tr>\n">>
            ]
         || T <- To
        ],
        <<"</table></div>\n">>
    ].

pair_cell(none, _) ->
    <<"<td class=\"none\">·</td>"/utf8>>;
pair_cell({Taken, Count}, Most) ->
    Shade = case Taken of 0 -> 0; _ -> ceil(3 * Taken / max(3, Most)) end,
    [<<"<td class=\"s">>, integer_to_list(Shade), <<"\">">>, short(Taken), " of ", short(Count),
     <<"</td>">>].

list(Pairs) ->
    Ranked = lists:sort([{-Count, To, From, Taken}
                         || {{To, From}, {Taken, Count}} <- maps:to_list(Pairs)]),
    [
        <<"<div class=\"scroll\"><table>\n"
        "<caption>Champions taken, of those that arrived</caption>\n">>,
        row("th", ["from", "to", "taken"]),
        [row("td", [From, To, [short(Taken), " of ", short(-Count)]])
         || {Count, To, From, Taken} <- lists:sublist(Ranked, 100)],
        <<"</table></div>\n">>
    ].

arrivals(Arrivals) ->
    Shown = lists:sublist(Arrivals, ?MAX_ARRIVALS),
    Part = case length(Shown) < length(Arrivals) of
        true -> ["The first ", short(length(Shown)), " of "];
        false -> "All "
    end,
    details(
        [Part, counted(length(Arrivals), "arrival"), " in order"],
        [
            row("th", [{num, "generation"}, "from", "to", {num, "fitness"}, "outcome"]),
            [
                row("td", [{num, short(G)}, From, To,
                           {num, [short(F) || #{fitness := F} <- [Arrival]]}, outcome(Outcome)])
             || {G, To, #{from := From, outcome := Outcome} = Arrival} <- Shown
            ]
        ]
    ).

outcome(accepted) -> <<"taken">>;
outcome(rejected) -> <<"not taken">>;
outcome({rejected, Reason}) ->
    [<<"not taken: ">>, binary:replace(text(Reason), <<"_">>, <<" ">>, [global])].

%% ---------------------------------------------------------------------------------------------
%% To repeat the run
%% ---------------------------------------------------------------------------------------------

repeat(#{task := Task, seed := Seed, populations := Populations} = Run) ->
    Facts = [{"task", Task}, {"seed", Seed}] ++ [{"started", T} || #{started := T} <- [Run]] ++
        lists:sublist(maps:get(facts, Run, []), ?MAX_FACTS),
    section("repeat", "To repeat this run", [
        <<"<p class=\"note\">The same version, seeds, settings and arrivals give the same run, "
        "to the bit, on any number of threads.</p>\n">>,
        <<"<div class=\"scroll\"><table class=\"settings\">\n">>,
        [
            [<<"<tr><th scope=\"row\">">>, escape(L), <<"</th><td>">>, escape(V),
             <<"</td></tr>\n">>]
         || {L, V} <- Facts
        ],
        <<"</table></div>\n">>,
        [
            [
                <<"<div class=\"scroll\"><table>\n">>,
                row("th", ["population", {num, "seed"}, {num, "best"}, {num, "generations"},
                           {num, "evaluations"}, {num, "failed"}, {num, "time"}]),
                rows(fun population_row/1, Populations, 7), <<"</table></div>\n">>
            ]
         || Populations =/= []
        ]
    ]).

population_row(#{name := Name, seed := Seed, history := []}) ->
    row("td", [{html, name(Name)}, {num, Seed}, "", {num, "0"}, {num, "0"}, {num, "0"}, ""]);
population_row(#{name := Name, seed := Seed, history := History}) ->
    #{generation := G, evaluations := E, elapsed_ms := T} = Last = lists:last(History),
    Best = lists:max([B || #{best := B} <- History]),
    row("td", [{html, name(Name)}, {num, Seed}, {num, short(Best)}, {num, short(G + 1)},
               {num, short(E)}, {num, short(failures(Last))}, {num, duration(T)}]).

failures(Generation) -> maps:get(failures, Generation, 0).

%% ---------------------------------------------------------------------------------------------
%% Words and numbers
%% ---------------------------------------------------------------------------------------------

duration(Ms) when Ms < 1000 -> [short(round(Ms)), " ms"];
duration(Ms) when Ms < 60000 -> [float_to_binary(Ms / 1000, [{decimals, 1}]), " s"];
duration(Ms) ->
    Seconds = round(Ms / 1000),
    case {Seconds div 3600, Seconds div 60 rem 60, Seconds rem 60} of
        {0, M, S} -> io_lib:format("~b min ~b s", [M, S]);
        {H, M, _} -> io_lib:format("~b h ~b min", [H, M])
    end.
