%% @doc A front: all compromises between several goals, as the search `pareto' gives them.
%%
%% With `search => pareto', the result of {@link cambrian:evolve/2} has the front under `front';
%% {@link cambrian_population:front/1} answers that of a population, also while it runs. A front is
%% a list, which the functions here draw and write for other programs.
%%
%% ```
%% 1> {ok, #{front := Front, champion := Champion}} =
%%        cambrian:evolve('xor', #{search => pareto, seed => 1, generations => 20,
%%                                 params => #{objectives => [fitness, connections]}}).
%% 2> Svg = cambrian_front:to_svg(Front, #{champion => Champion,
%%                                         labels => ["fitness", "connections times -1"]}).
%% 3> <<"<svg", _/binary>> = iolist_to_binary(Svg).
%% '''
-module(cambrian_front).

-export([to_svg/1, to_svg/2, to_csv/1, to_json/1]).
-export([labels/2]).
-export_type([front/0, compromise/0, picture_options/0]).

-type front() :: [compromise()].

-type compromise() :: #{genotype := cambrian_genotype:genotype(), objectives := [float()],
                        fitness := float()}.
%% A genotype of a front: no other of its generation is as good in every objective and better in
%% one. `objectives' are in the order of the parameter `objectives'. More is better in each, so the
%% objective `connections' is the number of connections times -1.

-type picture_options() :: #{title => cambrian_text:text(), width => pos_integer(),
                             embed => boolean(), labels => [cambrian_text:text()],
                             champion => cambrian_genotype:genotype() | cambrian_genotype:id(),
                             count => non_neg_integer()}.

-define(A_FRONT, <<"a front, as the result of a run with the search pareto has it">>).

%% @doc The same as {@link to_svg/2} without options.
-spec to_svg(front()) -> iodata().
to_svg(Front) -> to_svg(Front, #{}).

%% @doc Draws the front: of two objectives a point for each network, of more objectives a line for
%% each across parallel axes. More is better in each objective, so better is to the right and up.
%%
%% Options: `title'; `width' in pixels (720); `labels', the name of each objective; `champion', the
%% genotype to mark, or its id: that of a result is the knee of its front; `count', how many
%% networks the whole front has if the list is a part of it; and `embed' for a page that has the
%% style sheet of {@link cambrian_theme:style/0}.
%%
%% The picture shows at most 400 networks, chosen evenly, and the champion; in parallel axes at most
%% 16 objectives.
%%
%% ```
%% 1> {ok, #{front := Front}} =
%%        cambrian:evolve(zdt1, #{search => pareto, seed => 1, generations => 5, target => 1}).
%% 2> Svg = cambrian_front:to_svg(Front, #{title => <<"ZDT1">>}).
%% 3> {match, _} = re:run(Svg, "<title>ZDT1</title>").
%% '''
-spec to_svg(front(), picture_options()) -> iodata().
to_svg(Front, Options) ->
    ok = cambrian_picture_options:ensure(?MODULE, to_svg, 2, front, Options),
    ok = cambrian_badarg:check(?MODULE, to_svg, [{is_front(Front), ?A_FRONT}, {true, <<>>}]),
    _ = [ok = cambrian_picture_options:ensure_labels(?MODULE, to_svg, 2, Options, length(First))
         || [#{objectives := First} | _] <- [Front]],
    cambrian_front_picture:draw(Front, Options).

%% @doc A line for each network: id, fitness, and a column for each objective.
%%
%% ```
%% 1> {ok, #{front := Front}} =
%%        cambrian:evolve(zdt1, #{search => pareto, seed => 1, generations => 5, target => 1}).
%% 2> [Head | _] = string:split(cambrian_front:to_csv(Front), "\n").
%% 3> iolist_to_binary(Head).
%% <<"id,fitness,objective_1,objective_2">>
%% '''
-spec to_csv(front()) -> iodata().
to_csv(Front) ->
    ok = cambrian_badarg:check(?MODULE, to_csv, [{is_front(Front), ?A_FRONT}]),
    Count = case Front of [] -> 0; [#{objectives := First} | _] -> length(First) end,
    Names = [["objective_", integer_to_list(At)] || At <- lists:seq(1, Count)],
    [line([<<"id">>, <<"fitness">> | Names])
     | [line([hex_id(Genotype) | lists:map(fun cambrian_text:exact/1, [Fitness | Objectives])])
        || #{genotype := Genotype, fitness := Fitness, objectives := Objectives} <- Front]].

line(Fields) -> [lists:join($,, Fields), $\n].

hex_id(Genotype) -> cambrian_text:hex(cambrian_genotype:id(Genotype)).

%% @doc The networks as a JSON array, each with its genotype as {@link cambrian_genotype:to_json/1}
%% has it.
%%
%% ```
%% 1> {ok, #{front := Front}} =
%%        cambrian:evolve(zdt1, #{search => pareto, seed => 1, generations => 5, target => 1}).
%% 2> {match, _} = re:run(cambrian_front:to_json(Front), "\"objectives\":").
%% '''
-spec to_json(front()) -> iodata().
to_json(Front) ->
    ok = cambrian_badarg:check(?MODULE, to_json, [{is_front(Front), ?A_FRONT}]),
    Networks = [["{\"id\":\"", hex_id(Genotype), "\",\"fitness\":", cambrian_text:exact(Fitness),
                 ",\"objectives\":[",
                 lists:join($,, lists:map(fun cambrian_text:exact/1, Objectives)),
                 "],\"genotype\":", cambrian_genotype:to_json(Genotype), "}"]
                || #{genotype := Genotype, fitness := Fitness, objectives := Objectives} <- Front],
    [$[, lists:join($,, Networks), $]].

%% All networks of a front have as many objectives. `length' fails for what is no proper list.
is_front([]) -> true;
is_front([#{objectives := [_ | _] = First} | _] = Front) ->
    try
        Count = length(First),
        length(Front) > 0 andalso lists:all(fun(One) -> is_compromise(One, Count) end, Front)
    catch error:badarg -> false
    end;
is_front(_) -> false.

is_compromise(#{genotype := Genotype, objectives := Objectives, fitness := Fitness}, Count) ->
    length(Objectives) =:= Count andalso lists:all(fun is_finite/1, [Fitness | Objectives])
        andalso cambrian_nif:kind_of(Genotype) =:= genotype;
is_compromise(_, _) -> false.

%% An integer that no float can be raises `badarg'.
is_finite(Number) -> is_number(Number) andalso is_float(float(Number)).

%% @private The names of so many objectives, by the parameter `objectives' of the run. A task may
%% give several, which have no names.
-spec labels(Pursued :: [atom()], Count :: non_neg_integer()) -> [binary()].
labels(Pursued, Count) ->
    OfTask = Count - length([Name || Name <- Pursued, Name =/= task]),
    Names = lists:append([case Name of
                              task -> lists:duplicate(max(0, OfTask), task);
                              _ -> [Name]
                          end || Name <- Pursued]),
    [label(Name, At) || {At, Name} <- lists:enumerate(lists:sublist(Names, Count))].

%% Fewer of these are better, so they count with a minus.
label(Name, _) when Name =:= connections; Name =:= energy ->
    <<"−"/utf8, (atom_to_binary(Name))/binary>>;
label(task, At) -> cambrian_front_picture:default_label(At);
label(Name, _) -> atom_to_binary(Name).
