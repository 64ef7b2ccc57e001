%% @private
%% The sections of a report about what a population found beside its champion: its archive, or its
%% front.
-module(cambrian_report_answers).

-import(cambrian_report_html, [both/3, details/2, name/1, row/2, rows/3, section/3]).
-import(cambrian_text, [counted/2, decimal/2, exact/1, short/1]).

-export([sections/1]).

%% Populations that are shown, and objectives in a table, at most.
-define(MAX_PICTURES, 12).
-define(MAX_OBJECTIVES, 16).

-spec sections([cambrian_report:population()]) -> iodata().
sections(Populations) ->
    [pictures("archive", "The archive", fun archive/1, [P || #{archive := _} = P <- Populations]),
     pictures("front", "The front", fun front/1,
              [P || #{front := #{networks := [_ | _]}} = P <- Populations])].

pictures(_Id, _Heading, _Draw, []) -> [];
pictures(Id, Heading, Draw, [Population]) -> section(Id, Heading, Draw(Population));
pictures(Id, Heading, Draw, Populations) ->
    Left = length(Populations) - ?MAX_PICTURES,
    section(Id, Heading,
            [[[<<"<h3>">>, name(Name), <<"</h3>\n">>, Draw(Population)]
              || #{name := Name} = Population <- lists:sublist(Populations, ?MAX_PICTURES)],
             [[<<"<p class=\"note\">Not shown: ">>, counted(Left, "population"), <<".</p>\n">>]
              || Left > 0]]).

figure(Draw, Caption) ->
    [<<"<figure>\n">>, both(fun(Width) -> Draw(#{width => Width, embed => true}) end, 720, 360),
     <<"<figcaption>">>, Caption, <<"</figcaption>\n</figure>\n">>].

%%% ---- archives ---------------------------------------------------------------------------

archive(#{name := Name, archive := Archive}) ->
    #{cells := Cells, filled := Filled, coverage := Coverage, best := Best, qd_score := Score} =
        cambrian_archive:stats(Archive),
    Title = ["The archive of ", cambrian_text:text(Name)],
    figure(fun(Opts) -> cambrian_archive:to_svg(Archive, Opts#{title => Title}) end,
           [short(Filled), " of ", counted(Cells, "cell"), " filled, a coverage of ",
            decimal(100 * Coverage, 1), " %.",
            [[" The best elite has fitness ", short(Best),
              ". QD score, the sum of the fitness of all elites: ", short(Score), "."]
             || Best =/= none]]).

%%% ---- fronts -----------------------------------------------------------------------------

front(#{name := Name, front := #{networks := [#{objectives := Objectives} | _] = Front} = Of}) ->
    Opts = (maps:with([champion, labels], Of))#{title => ["The front of ",
                                                          cambrian_text:text(Name)]},
    [figure(fun(Size) -> cambrian_front:to_svg(Front, maps:merge(Opts, Size)) end,
            [counted(length(Front), "network"), " than which no other of the last generation is as "
             "good in every objective and better in one. More is better in each."]),
     table(Front, maps:get(labels, Of, []), min(?MAX_OBJECTIVES, length(Objectives)), Of)].

table(Front, Labels, Count, Of) ->
    Unnamed = lists:seq(length(Labels) + 1, Count),
    Names = lists:sublist(Labels, Count)
        ++ lists:map(fun cambrian_front_picture:default_label/1, Unnamed),
    details(["All ", counted(length(Front), "network")],
            [row("th", [{num, Name} || Name <- Names] ++ [{num, "fitness"}, "genotype", ""]),
             rows(fun(One) -> network_row(One, Count, Of) end, Front, Count + 3)]).

network_row(#{genotype := Genotype, objectives := Objectives, fitness := Fitness}, Count, Of) ->
    Id = cambrian_genotype:id(Genotype),
    IsChampion = maps:get(champion, Of, none) =:= Id,
    row("td", [{num, exact(Value)} || Value <- lists:sublist(Objectives, Count)]
              ++ [{num, exact(Fitness)},
                  {html, [<<"<code>">>, binary:part(cambrian_text:hex(Id), 0, 12), <<"</code>">>]},
                  [<<"the champion">> || IsChampion]]).
