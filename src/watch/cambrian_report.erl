%% @doc A run as one HTML page: who found what, how it got there, and how to repeat it.
%%
%% The page holds all that it shows. It loads nothing, runs no script (its own policy forbids
%% both), follows the reader's light or dark setting and fits a phone. Names and reasons that came
%% from elsewhere are only ever text in it.
%%
%% ```
%% 1> Generation = #{generation => 0, evaluations => 150, best => 3.1, mean => 2.6, species => 4, elapsed_ms => 12}.
%% 2> Population = #{name => here, seed => 42, history => [Generation], received => []}.
%% 3> Page = cambrian_report:html(#{title => "A start", task => 'xor', seed => 42, populations => [Population]}).
%% 4> <<"<!DOCTYPE html>", _/binary>> = iolist_to_binary(Page).
%% '''
-module(cambrian_report).

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
%% Evaluations, those of them that failed, and time count from the start of the run.

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
    received => [arrival()]
}.

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
%% What is to be shown: a run with words of one's own, a population as it is now, what {@link cambrian_recorder:read/1}
%% has of one, or several of these.

%% What bounds the page: the rest is counted, not shown.
-define(MAX_LINES, 24).
-define(MAX_PANELS, 24).
-define(MAX_ROWS, 2000).
-define(MAX_ARRIVALS, 500).
-define(MAX_MATRIX, 12).
-define(MAX_FACTS, 200).
%% Up to here a network is drawn a second time for a phone; a larger one scrolls.
-define(MAX_NARROW, 80).
-define(MAX_NARROW_NODES, 24).
-define(NARROW, 360).

%% ---------------------------------------------------------------------------------------------
%% The page
%% ---------------------------------------------------------------------------------------------

%% @doc Writes a run's page to a file, whole or not at all.
%%
%% A file that is there keeps its mode and its owner, and keeps what it has where writing fails; a symbolic link is
%% followed, and a device or a pipe is written to.
%%
%% ```
%% 1> Run = #{title => <<"First try">>, task => 'xor', seed => 42, populations => []}.
%% 2> cambrian_report:write("/no/such/folder/run.html", Run).
%% {error,enoent}
%% '''
-spec write(file:name_all(), source()) -> ok | {error, Reason :: file:posix() | badarg | terminated | system_limit}.
write(Path, Source) -> cambrian_file:save(Path, html(Source)).

%% @doc Gives a run's page as UTF-8 text: HTML that is well-formed XML too.
%%
%% Of a run, only `title', `task', `seed' and `populations' are required: one that has no champion yet still has a page.
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

%% @doc What a source tells, as a run, to add to before it is shown: another title, labels of inputs and outputs, facts.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> {ok, _} = cambrian_population:step(P, 3).
%% 3> #{champion := Champion} = Run = cambrian_report:run(P).
%% 4> Page = cambrian_report:html(Run#{title := "A start", champion := Champion#{labels => #{inputs => ["a", "b"]}}}).
%% 5> re:run(Page, "<title>(.*)</title>", [{capture, all_but_first, binary}]).
%% {match,[<<"A start">>]}
%% 6> ok = cambrian_population:stop(P).
%% '''
-spec run(cambrian_story:source()) -> run().
run(Source) -> cambrian_story:run(cambrian_story:all(Source)).

page(Run) ->
    Title = escape(map_get(title, Run)),
    [
        <<"<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\" />\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n"
        %% Should a name ever get past the escaping, this still keeps the page from running it.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'\" />\n"
        "<meta name=\"color-scheme\" content=\"light dark\" />\n<link rel=\"icon\" href=\"data:,\" />\n<title>">>,
        Title, <<"</title>\n<style>\n">>, cambrian_theme:style(), page_style(), <<"</style>\n</head>\n<body>\n<main>\n">>,
        headline(Run),
        key_facts(Run),
        fitness(Run),
        species(Run),
        network(Run),
        travel(Run),
        repeat(Run),
        <<"</main>\n<footer><p>Made by Cambrian. This page holds all that it shows: it loads nothing and runs no script.</p></footer>\n"
        "</body>\n</html>\n">>
    ].

section(_, _, []) ->
    [];
section(Id, Heading, Body) ->
    [
        <<"<section aria-labelledby=\"">>, Id, <<"\">\n<h2 id=\"">>, Id, <<"\">">>, Heading, <<"</h2>\n">>, Body, <<"</section>\n">>
    ].

%% ---------------------------------------------------------------------------------------------
%% Who found what
%% ---------------------------------------------------------------------------------------------

headline(Run) ->
    Above = [map_get(title, Run)] ++ [when_started(T) || #{started := T} <- [Run]],
    [
        <<"<header>\n<p class=\"above\">">>, lists:join(<<" · "/utf8>>, [escape(T) || T <- Above]), <<"</p>\n<h1>">>,
        sentence(Run), <<"</h1>\n">>, [[<<"<p class=\"lead\">">>, L, <<"</p>\n">>] || L <- lead(Run)], <<"</header>\n">>
    ].

sentence(#{champion := #{found_by := By, fitness := Fitness, generation := Generation}, task := Task}) ->
    [
        <<"<span class=\"who\">">>, name(By), <<"</span> found a champion for ">>, plain(Task), <<": fitness ">>,
        <<"<span class=\"num\">">>, short(Fitness), <<"</span> in generation ">>, short(Generation), "."
    ];
sentence(#{task := Task}) ->
    [<<"No champion for ">>, plain(Task), <<" yet.">>].

%% What the champion is, and how it did at tests that were no part of its evolution.
lead(#{champion := #{genotype := Genotype} = Champion}) ->
    #{nodes := Nodes, connections := Connections} = Genotype,
    Hidden = length([x || #{kind := hidden} <- Nodes]),
    Tests = [[escape(Value), " ", escape(Label)] || {Label, Value} <- maps:get(test, Champion, [])],
    [[
        "Its network has ", counted(Hidden, "hidden node"), " and ", counted(length(Connections), "connection"), ".",
        [[" Tested afterwards: ", lists:join("; ", Tests), "."] || Tests =/= []]
    ]];
lead(_) ->
    [].

%% double_pole_novel reads better as words; the task's exact name stands with what repeats the run.
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
    %% of the population that had most
    Longest = fun(Key) -> lists:max([0 | [map_get(Key, G) || G <- Last]]) end,
    Tests = [{Label, Value} || #{champion := #{test := Test}} <- [Run], {Label, Value} <- lists:sublist(Test, 8)],
    Facts = Tests ++ [
        {plural(length(Populations), "population"), short(length(Populations))},
        {plural(generations(Last), "generation"), short(generations(Last))},
        {[plural(Sum(evaluations), "evaluation"), " in all"], short(Sum(evaluations))}
    ] ++ [{"of them failed", short(Failed)} || Failed <- [lists:sum(lists:map(fun failures/1, Last))], Failed > 0] ++ [
        {"time", duration(Longest(elapsed_ms))},
        {"seed", map_get(seed, Run)}
    ],
    [
        <<"<dl class=\"facts\">\n">>,
        [[<<"<div><dt>">>, escape(L), <<"</dt><dd>">>, escape(V), <<"</dd></div>\n">>] || {L, V} <- Facts],
        <<"</dl>\n">>
    ].

%% ---------------------------------------------------------------------------------------------
%% Fitness and species
%% ---------------------------------------------------------------------------------------------

%% How many there were: they are numbered from 0.
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
    Fittest = lists:max([-1.0e300 | [B || #{history := History} <- Populations, #{best := B} <- History]]),
    section("fitness", "Fitness", [
        <<"<figure>\n">>,
        both(Draw, #{width => 720, height => 340}, #{width => ?NARROW, height => 300}),
        <<"<figcaption>Generations are numbered from 0. Bold: the best of each population. Light: its mean.">>,
        [<<" The ring is where the champion was found.">> || Found =/= []],
        [[" The champion was the first to pass the task's own trial; the fittest of all had ", short(Fittest), "."]
         || #{champion := #{fitness := F, test := [_ | _]}} <- [Run], Fittest > F],
        [<<" A diamond is a champion that came in from another population, hollow when it was not taken.">> || Marks =/= []],
        [[" Not shown: ", counted(Without, "population"), " that did less well."] || Without > 0],
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
            label => ["generation ", short(G), ": from ", text(From), [[", fitness ", short(F)] || #{fitness := F} <- [Arrival]],
                ", ", outcome(Outcome)]}
     || #{generation := G, from := From, outcome := Outcome} = Arrival <- maps:get(received, Population, [])
    ].

%% A picture for a desk and one for a hand: the style sheet shows one of them.
both(Draw, Wide, Narrow) ->
    [<<"<div class=\"wide\">\n">>, Draw(Wide), <<"</div>\n<div class=\"narrow\">\n">>, Draw(Narrow), <<"</div>\n">>].

species(#{populations := Populations}) ->
    Known = [P || #{history := History} = P <- Populations, lists:any(fun(G) -> is_map_key(sizes, G) end, History)],
    Shown = lists:sublist(Known, ?MAX_PANELS),
    section("species", "Species over time", [
        [
            panels(Shown),
            <<"<p class=\"note\">Each band is a species, as tall as it has members; the number is its id. "
            "The oldest are at the bottom.">>,
            [[" Not shown: ", counted(length(Known) - length(Shown), "population"), "."] || length(Shown) < length(Known)], <<"</p>\n">>
        ]
     || Shown =/= []
    ]).

%% One has the width of the page to itself.
panels([#{name := Name, history := History}]) ->
    Draw = fun(Size) -> bands(Name, History, Size) end,
    [<<"<figure>\n">>, both(Draw, #{width => 720, height => 300}, #{width => ?NARROW, height => 240}), <<"</figure>\n">>];
panels(Populations) ->
    [<<"<div class=\"panels\">\n">>, [panel(P, reach(Populations)) || P <- Populations], <<"</div>\n">>].

%% All panels have the same axes, so that they can be compared.
reach(Populations) ->
    Last = [G || #{history := History} <- Populations, #{generation := G, sizes := _} <- History],
    Most = [lists:sum([S || {_, S} <- Sizes]) || #{history := History} <- Populations, #{sizes := Sizes} <- History],
    [{lists:min(Last), 0}, {lists:max(Last), lists:max(Most)}].

panel(#{name := Name, history := History}, Reach) ->
    Picture = bands(Name, History, #{cover => Reach, width => ?NARROW, height => 220}),
    [<<"<figure><h3>">>, name(Name), <<"</h3>\n">>, Picture, <<"</figure>\n">>].

bands(Name, History, Opts) ->
    cambrian_picture:species(History, Opts#{title => ["Species over time in ", text(Name)], embed => true}).

%% ---------------------------------------------------------------------------------------------
%% The champion
%% ---------------------------------------------------------------------------------------------

network(#{champion := #{genotype := Genotype, id := Id} = Champion}) ->
    Labels = maps:get(labels, Champion, #{}),
    Opts = #{title => <<"The champion's network">>, labels => Labels, embed => true},
    section("champion", "The champion", [
        <<"<figure>\n">>,
        champion_picture(Genotype, Opts),
        <<"<figcaption>Inputs at the left, outputs at the right. Point at a node or a line for its exact values; "
        "the tables below have them all.</figcaption>\n</figure>\n">>,
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
                <<"<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"The champion's network\">\n">>,
                cambrian_svg:network(Genotype, Opts), <<"</div>\n">>
            ]
    end.

tables(#{nodes := Nodes} = Genotype, Names) ->
    Links = cambrian_graph:links(Genotype),
    Besides = lists:any(fun(Node) -> cambrian_graph:words(Node) =/= [] end, Nodes),
    Strongest = [Link || {_, _, Link} <- lists:sort([{-abs(W), Id, Link} || #{id := Id, weight := W} = Link <- Links])],
    [
        details(["All ", counted(length(Links), "connection"), ", the strongest first"], [
            row("th", ["from", "to", {num, "weight"}, "kind"]),
            [link_row(Link, Names) || Link <- lists:sublist(Strongest, ?MAX_ROWS)],
            more(length(Links), 4)
        ]),
        details(["All ", counted(length(Nodes), "node")], [
            row("th", ["node", "kind", "activation", {num, "bias"} | ["besides" || Besides]]),
            [
                row("td", [map_get(Id, Names), Kind, Activation, {num, exact(Bias)}
                    | [lists:join("; ", cambrian_graph:words(Node)) || Besides]])
             || #{id := Id, kind := Kind, activation := Activation, bias := Bias} = Node <- lists:sublist(Nodes, ?MAX_ROWS)
            ],
            more(length(Nodes), 4)
        ])
    ].

link_row(#{from := From, to := To, weight := Weight, enabled := Enabled, kind := Kind}, Names) ->
    Words = ["recurrent" || Kind =/= forward] ++ ["disabled" || not Enabled],
    row("td", [map_get(From, Names), map_get(To, Names), {num, exact(Weight)}, lists:join(", ", Words)]).

more(Count, Width) when Count > ?MAX_ROWS ->
    [<<"<tr><td colspan=\"">>, integer_to_list(Width), <<"\">and ">>, short(Count - ?MAX_ROWS), <<" more</td></tr>\n">>];
more(_, _) ->
    [].

details(Summary, Rows) ->
    [
        <<"<details><summary>">>, Summary, <<"</summary>\n<div class=\"scroll\"><table>\n">>, Rows, <<"</table></div></details>\n">>
    ].

row(Tag, Cells) ->
    [<<"<tr>">>, [cell(Tag, Cell) || Cell <- Cells], <<"</tr>\n">>].

cell(Tag, {num, Text}) -> ["<", Tag, " class=\"n\">", minus(Text), "</", Tag, ">"];
cell(Tag, {html, Html}) -> ["<", Tag, ">", Html, "</", Tag, ">"];
cell(Tag, Text) -> ["<", Tag, ">", escape(Text), "</", Tag, ">"].

%% A true minus sign is as wide as a digit, so columns of numbers line up.
minus(Text) ->
    case escape(Text) of
        <<$-, Rest/binary>> -> [<<"−"/utf8>>, Rest];
        Other -> Other
    end.

%% ---------------------------------------------------------------------------------------------
%% Who sent what to whom
%% ---------------------------------------------------------------------------------------------

travel(#{populations := Populations}) ->
    Arrivals = [{G, text(To), A} || #{name := To, received := Received} <- Populations, #{generation := G} = A <- Received],
    section("travel", "Who sent what to whom", [
        [matrix(Arrivals), arrivals(lists:keysort(1, Arrivals))] || Arrivals =/= []
    ]).

%% A row for each receiver, a column for each sender. With many populations the pairs are listed.
matrix(Arrivals) ->
    Pairs = lists:foldl(
        fun({_, To, #{from := From, outcome := Outcome}}, Acc) ->
            Taken = case Outcome of accepted -> 1; _ -> 0 end,
            maps:update_with({To, text(From)}, fun({T, N}) -> {T + Taken, N + 1} end, {Taken, 1}, Acc)
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
        <<"<div class=\"scroll\"><table class=\"matrix\">\n<caption>Champions taken, of those that arrived</caption>\n">>,
        <<"<tr><td></td>">>, [[<<"<th scope=\"col\">from ">>, name(F), <<"</th>">>] || F <- From], <<"</tr>\n">>,
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
    [<<"<td class=\"s">>, integer_to_list(Shade), <<"\">">>, short(Taken), " of ", short(Count), <<"</td>">>].

list(Pairs) ->
    Ranked = lists:sort([{-Count, To, From, Taken} || {{To, From}, {Taken, Count}} <- maps:to_list(Pairs)]),
    [
        <<"<div class=\"scroll\"><table>\n<caption>Champions taken, of those that arrived</caption>\n">>,
        row("th", ["from", "to", "taken"]),
        [row("td", [From, To, [short(Taken), " of ", short(-Count)]]) || {Count, To, From, Taken} <- lists:sublist(Ranked, 100)],
        <<"</table></div>\n">>
    ].

arrivals(Arrivals) ->
    Shown = lists:sublist(Arrivals, ?MAX_ARRIVALS),
    details(
        [case length(Shown) < length(Arrivals) of true -> ["The first ", short(length(Shown)), " of "]; false -> "All " end,
            counted(length(Arrivals), "arrival"), " in order"],
        [
            row("th", [{num, "generation"}, "from", "to", {num, "fitness"}, "outcome"]),
            [
                row("td", [{num, short(G)}, From, To, {num, [short(F) || #{fitness := F} <- [Arrival]]}, outcome(Outcome)])
             || {G, To, #{from := From, outcome := Outcome} = Arrival} <- Shown
            ]
        ]
    ).

outcome(accepted) -> <<"taken">>;
outcome(rejected) -> <<"not taken">>;
outcome({rejected, Reason}) -> [<<"not taken: ">>, binary:replace(text(Reason), <<"_">>, <<" ">>, [global])].

%% ---------------------------------------------------------------------------------------------
%% To repeat the run
%% ---------------------------------------------------------------------------------------------

repeat(#{task := Task, seed := Seed, populations := Populations} = Run) ->
    Facts = [{"task", Task}, {"seed", Seed}] ++ [{"started", T} || #{started := T} <- [Run]] ++
        lists:sublist(maps:get(facts, Run, []), ?MAX_FACTS),
    section("repeat", "To repeat this run", [
        <<"<p class=\"note\">The same version, seeds, settings and arrivals give the same run, to the bit, "
        "on any number of threads.</p>\n">>,
        <<"<div class=\"scroll\"><table class=\"settings\">\n">>,
        [
            [<<"<tr><th scope=\"row\">">>, escape(L), <<"</th><td>">>, escape(V), <<"</td></tr>\n">>]
         || {L, V} <- Facts
        ],
        <<"</table></div>\n">>,
        [
            [
                <<"<div class=\"scroll\"><table>\n">>,
                row("th", ["population", {num, "seed"}, {num, "best"}, {num, "generations"}, {num, "evaluations"}, {num, "failed"},
                           {num, "time"}]),
                [population_row(P) || P <- lists:sublist(Populations, ?MAX_ROWS)], more(length(Populations), 7), <<"</table></div>\n">>
            ]
         || Populations =/= []
        ]
    ]).

population_row(#{name := Name, seed := Seed, history := []}) ->
    row("td", [{html, name(Name)}, {num, Seed}, "", {num, "0"}, {num, "0"}, {num, "0"}, ""]);
population_row(#{name := Name, seed := Seed, history := History}) ->
    #{generation := G, evaluations := E, elapsed_ms := T} = Last = lists:last(History),
    Best = lists:max([B || #{best := B} <- History]),
    row("td", [{html, name(Name)}, {num, Seed}, {num, short(Best)}, {num, short(G + 1)}, {num, short(E)}, {num, short(failures(Last))},
               {num, duration(T)}]).

failures(Generation) -> maps:get(failures, Generation, 0).

%% ---------------------------------------------------------------------------------------------
%% Words and numbers
%% ---------------------------------------------------------------------------------------------

%% A name may be written in any direction: bdi keeps it from turning the words around it.
name(Name) -> [<<"<bdi>">>, escape(Name), <<"</bdi>">>].

duration(Ms) when Ms < 1000 -> [short(round(Ms)), " ms"];
duration(Ms) when Ms < 60000 -> [float_to_binary(Ms / 1000, [{decimals, 1}]), " s"];
duration(Ms) ->
    Seconds = round(Ms / 1000),
    case {Seconds div 3600, Seconds div 60 rem 60, Seconds rem 60} of
        {0, M, S} -> io_lib:format("~b min ~b s", [M, S]);
        {H, M, _} -> io_lib:format("~b h ~b min", [H, M])
    end.

%% ---------------------------------------------------------------------------------------------
%% How the page looks
%% ---------------------------------------------------------------------------------------------

page_style() ->
    [
        ":root{color-scheme:light dark;", variables(1), "}\n"
        "@media (prefers-color-scheme:dark){:root{", variables(2), "}}\n"
        "*{box-sizing:border-box}\n"
        "body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.6 system-ui,-apple-system,\"Segoe UI\",Roboto,"
        "\"Helvetica Neue\",Arial,sans-serif;overflow-wrap:anywhere;-webkit-text-size-adjust:100%}\n"
        "main{max-width:48rem;margin:0 auto;padding:clamp(1.75rem,6vw,4rem) clamp(1rem,4vw,1.5rem) 1rem}\n"
        "footer{max-width:48rem;margin:2rem auto 0;padding:0 clamp(1rem,4vw,1.5rem) 3rem;color:var(--mute);font-size:.8125rem}\n"
        "footer p{border-top:1px solid var(--rule);padding-top:1rem;margin:0}\n"
        ".above{margin:0 0 .75rem;color:var(--mute);font-size:.875rem}\n"
        "h1{font:400 clamp(1.6rem,5.2vw,2.4rem)/1.22 \"Iowan Old Style\",\"Palatino Linotype\",Palatino,Charter,Georgia,serif;"
        "letter-spacing:-.01em;margin:0;text-wrap:balance}\n"
        ".who{font-style:italic}.num{white-space:nowrap}\n"
        ".lead{margin:1rem 0 0;color:var(--mute);font-size:1.0625rem;max-width:40rem;text-wrap:pretty}\n"
        "section{margin-top:3.5rem}\n"
        "h2{font:400 1.4rem/1.3 \"Iowan Old Style\",\"Palatino Linotype\",Palatino,Charter,Georgia,serif;margin:0 0 1rem}\n"
        "h3{font-size:.875rem;font-weight:600;margin:0 0 .25rem}\n"
        ".facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:1.25rem 1.5rem;margin:2.25rem 0 0;"
        "padding:1.25rem 0;border:solid var(--rule);border-width:1px 0}\n"
        ".facts div{display:flex;flex-direction:column-reverse;justify-content:flex-end}\n"
        ".facts dt{color:var(--mute);font-size:.8125rem;line-height:1.4}\n"
        ".facts dd{margin:0;font-size:1.25rem;line-height:1.4;font-variant-numeric:tabular-nums}\n"
        "figure{margin:0}svg.cb{display:block;width:100%}\n"
        ".scroll{overflow-x:auto}.scroll svg.cb{min-width:44rem;max-width:none}\n"
        "figcaption,.note,.id{color:var(--mute);font-size:.875rem;line-height:1.5;margin:.75rem 0 0;max-width:40rem}\n"
        ".panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:1.75rem 1.5rem}\n"
        ".panels figure{max-width:26rem}\n"
        "code{font:.8125rem/1.5 ui-monospace,\"SF Mono\",Menlo,Consolas,monospace}\n"
        "table{border-collapse:collapse;font-size:.875rem;line-height:1.4;width:100%;font-variant-numeric:tabular-nums;"
        "margin:.75rem 0 0}\n"
        "caption{text-align:left;color:var(--mute);padding-bottom:.5rem}\n"
        "th,td{text-align:left;padding:.4rem 1.25rem .4rem 0;border-bottom:1px solid var(--rule);font-weight:400;"
        "vertical-align:top;overflow-wrap:normal}\n"
        "th{color:var(--mute)}.n{text-align:right;white-space:nowrap}tr>:last-child{padding-right:0}\n"
        ".settings th{width:14rem}.settings td{overflow-wrap:anywhere}\n"
        ".matrix{width:auto;border-collapse:separate;border-spacing:3px}.matrix th,.matrix td{padding:.5rem 1rem;border:0}"
        ".matrix th{padding-left:0}.matrix td{text-align:center;white-space:nowrap}\n"
        ".matrix th[scope=col]{padding:.5rem 1rem;text-align:center}\n"
        ".none{color:var(--faint)}.s0,.s1,.s2,.s3{border-radius:.25rem}.s0{color:var(--mute)}.s1{background:var(--s1)}"
        ".s2{background:var(--s2)}.s3{background:var(--s3)}\n"
        "details{margin-top:1rem;border-top:1px solid var(--rule);padding-top:.75rem}\n"
        "summary{cursor:pointer;font-size:.9375rem}"
        "summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--positive);outline-offset:3px;border-radius:2px}\n"
        ".narrow{display:none}\n"
        "@media (max-width:34rem){.wide{display:none}.narrow{display:block}.facts{grid-template-columns:1fr 1fr}"
        ".settings th{width:9rem}.matrix td,.matrix th[scope=col]{padding:.4rem .5rem}}\n"
        "@media print{section,figure,.panels figure{break-inside:avoid}main,footer{max-width:none}}\n"
        "@media (prefers-reduced-motion:reduce){.cb .cb-link{transition:none}}\n"
    ].

variables(Side) ->
    Shared = [{Name, element(Side, Colour)} || {Name, Colour} <- lists:sort(maps:to_list(cambrian_theme:palette()))],
    Shades = lists:nth(Side, [
        [{s1, "#e6eef6"}, {s2, "#cfe0ef"}, {s3, "#b9d3ea"}],
        [{s1, "#1c2a37"}, {s2, "#253f57"}, {s3, "#2f5273"}]
    ]),
    [["--", atom_to_list(Name), ":", Value, ";"] || {Name, Value} <- Shared ++ Shades].
