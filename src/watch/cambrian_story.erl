%% @private
%% Collects the stories of populations from populations and recorders, and makes a run for a report.
%% "Answers" are what a population has beside its champion: an archive or a front.
-module(cambrian_story).

-export([all/1, with_answers/1, named/1, of_population/1, with_recorded/2, with_result/2, run/1]).
-export_type([source/0]).

%% A population as it is now, or the story of a recorder; or several of these.
-type source() :: one() | [one()].
-type one() :: cambrian_population:population() | cambrian_recorder:story().

-spec all(source()) -> [cambrian_recorder:story()].
all(Source) -> all(Source, fun of_population/1).

%% @doc The same; each story of a population has its archive and its front.
-spec with_answers(source()) -> [cambrian_recorder:story()].
with_answers(Source) ->
    all(Source, fun(Population) ->
                    maps:merge(of_population(Population), answers(found(Population)))
                end).

all(Population, Ask) when is_pid(Population); is_atom(Population) -> [Ask(Population)];
all(Story, _) when is_map(Story) -> [Story];
all(Several, Ask) when is_list(Several) -> lists:append([all(One, Ask) || One <- Several]).

found(Population) ->
    Answers = [{archive, cambrian_population:archive(Population)},
               {front, cambrian_population:front(Population)}],
    maps:from_list([{Key, Answer} || {Key, {ok, Answer}} <- Answers]).

%% @doc Asks a population for its story, which has all generations, but neither the sizes of species
%% nor the genotypes that came in.
-spec of_population(cambrian_population:population()) -> cambrian_recorder:story().
of_population(Population) ->
    Story = maps:with([name, task, seed, parameters], cambrian_population:info(Population)),
    Best = case cambrian_population:best(Population) of
               {ok, #{champion := Champion} = Found} ->
                   #{best => Found#{champion := cambrian_genotype:to_binary(Champion)}};
               {error, not_evaluated} -> #{}
           end,
    maps:merge(Story#{history => cambrian_population:history(Population), received => []}, Best).

%% @doc Adds a recorded story: its generations replace those of the story, because they have the
%% sizes of species, and its list of genotypes that came in.
-spec with_recorded(cambrian_recorder:story(), Recorded :: cambrian_recorder:story()) ->
          cambrian_recorder:story().
with_recorded(#{history := History} = Story, #{history := Recorded, received := Received}) ->
    ByNumber = maps:from_list([{Number, Generation}
                               || #{generation := Number} = Generation <- History ++ Recorded]),
    Merged = [Generation || {_, Generation} <- lists:sort(maps:to_list(ByNumber))],
    Story#{received := Received, history => Merged}.

%% @doc Adds a result. Genotypes, the archive and the front become bytes.
-spec with_result(cambrian_population:result(), cambrian_recorder:story()) ->
          cambrian_recorder:story().
with_result(#{champion := Champion} = Result, Story) ->
    Facts = maps:without([archive, front], Result),
    Sendable = Facts#{champion := cambrian_genotype:to_binary(Champion)},
    maps:merge(Story#{result => Sendable}, answers(Result)).

answers(Found) ->
    maps:map(fun(archive, Archive) -> cambrian_archive:to_binary(Archive);
                (front, Front) -> [One#{genotype := cambrian_genotype:to_binary(Genotype)}
                                   || #{genotype := Genotype} = One <- Front]
             end, maps:with([archive, front], Found)).

%% @doc Makes a run for {@link cambrian_report:html/1}. Its champion is the best of all stories.
-spec run([cambrian_recorder:story(), ...]) -> cambrian_report:run().
run([#{task := Task, parameters := Parameters} | _] = Stories) ->
    Named = named(Stories),
    Seeds = lists:usort([S || #{seed := S} <- Stories]),
    Seed = lists:join(", ", lists:map(fun integer_to_list/1, Seeds)),
    Champions = lists:sort([{Fitness, Name, Champion}
                            || {Name, Story} <- Named,
                               #{fitness := Fitness} = Champion <- champion(Story)]),
    Run = #{title => [atom_to_list(Task), ", seed ", Seed], task => Task, seed => Seed,
            facts => facts(Parameters),
            populations => [population(Name, Story) || {Name, Story} <- Named]},
    case Champions of
        [] -> Run;
        _ ->
            {_, Name, Best} = lists:last(Champions),
            Run#{champion => champion_of_run(Name, Best)}
    end.

%% @doc Gives each story a name for people: the name of a population without a name is a reference.
-spec named([cambrian_recorder:story()]) -> [{cambrian_text:text(), cambrian_recorder:story()}].
named([#{name := Name} = Story]) when is_reference(Name) -> [{<<"This run">>, Story}];
named(Stories) ->
    [{name(I, Name), Story} || {I, #{name := Name} = Story} <- lists:enumerate(Stories)].

name(I, Name) when is_reference(Name) -> iolist_to_binary(["population ", integer_to_list(I)]);
name(_, Name) -> Name.

champion(#{result := #{generations := Generations} = Result}) ->
    [Result#{generation => Generations - 1}];
champion(#{best := Best}) -> [Best];
champion(_) -> [].

champion_of_run(Name, #{champion := Bytes, fitness := Fitness, generation := Generation} = Best) ->
    Champion = genotype(Bytes),
    #{found_by => Name, generation => Generation, fitness => Fitness,
      id => cambrian_text:hex(cambrian_genotype:id(Champion)),
      genotype => cambrian_genotype:to_map(Champion),
      test => [{in_words(Fact), cambrian_text:short(Value)}
               || {Fact, Value} <- maps:get(trial, Best, [])]}.

in_words(Fact) -> string:replace(atom_to_list(Fact), "_", " ", all).

%% Returns the parameters that differ from their defaults.
facts(Parameters) ->
    [{Name, io_lib:format("~0tp", [Value])}
     || {Name, Default, _Expected, _About} <- cambrian_nif:parameters_table(),
        #{Name := Value} <- [Parameters], Value /= Default].

population(Name, #{seed := Seed, history := History, received := Received} = Story) ->
    Shown = #{name => Name, seed => Seed, history => History,
              received => [Arrival#{from := from(From), outcome := outcome(Outcome)}
                           || #{from := From, outcome := Outcome} = Arrival <- Received]},
    maps:merge(Shown, maps:from_list([{archive, opened(Bytes)} || #{archive := Bytes} <- [Story]]
                                     ++ [{front, front(Story)} || #{front := [_ | _]} <- [Story]])).

opened(Bytes) ->
    {ok, Archive} = cambrian_archive:from_binary(Bytes),
    Archive.

front(#{front := [#{objectives := Objectives} | _] = Front, parameters := Parameters} = Story) ->
    Pursued = maps:get(objectives, Parameters, [task]),
    Networks = [One#{genotype := genotype(Bytes)} || #{genotype := Bytes} = One <- Front],
    Of = #{networks => Networks, labels => cambrian_front:labels(Pursued, length(Objectives))},
    maps:merge(Of, maps:from_list([{champion, cambrian_genotype:id(genotype(Bytes))}
                                   || #{champion := Bytes} <- champion(Story)])).

genotype(Bytes) ->
    {ok, Genotype} = cambrian_genotype:from_binary(Bytes),
    Genotype.

from(<<_:256>> = Key) -> cambrian_text:hex(Key);
from(Other) -> Other.

outcome(accepted) -> accepted;
outcome(Reason) -> {rejected, Reason}.

