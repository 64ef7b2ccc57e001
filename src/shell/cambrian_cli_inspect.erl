%% @private
%% Describes the contents of a file of Cambrian in text for people.
-module(cambrian_cli_inspect).

-export([file/1, genotype/1]).

-define(MAX_LINES, 40).
-define(MAX_TERMS, 12).
-define(CHART, {60, 8}).
%% The end of the year 9999, the last date that is written.
-define(LAST_MS, 253_402_300_799_999).

-spec file(cambrian_file:path()) -> {ok, unicode:chardata()} | {error, unicode:chardata()}.
file(Path) ->
    case cambrian_file:read_whole(Path) of
        {ok, <<"cambrian identity ", _/binary>>} ->
            {ok, [Path, ": an identity, whose key is secret and not shown\n"]};
        {ok, <<"cambrian trust ", _/binary>>} ->
            {ok, [Path, ": what is known of a realm, for cambrian_trust\n"]};
        {ok, <<"cambrian checkpoint ", _/binary>>} -> checkpoint(Path);
        {ok, <<"{", _/binary>> = Text} -> json(Path, Text);
        {ok, Bytes} -> sealed_or_bare(Path, Bytes);
        {error, enoent} -> {error, [Path, ": there is no such file"]};
        {error, not_a_file} -> {error, [Path, ": a device, expected a file"]};
        {error, Reason} -> {error, [Path, ": ", file:format_error(Reason)]}
    end.

%%% ---- checkpoints ------------------------------------------------------------------------

checkpoint(Path) ->
    case cambrian_store:open(Path) of
        {ok, Checkpoint} -> {ok, [Path, ": a checkpoint\n", checkpointed(Path, Checkpoint)]};
        {error, {torn_checkpoint, _}} ->
            {error, [Path, ": a checkpoint that is torn, or was changed since"]};
        {error, {other_file, _}} ->
            {error, [Path, ": no checkpoint of this version of Cambrian"]};
        {error, Reason} -> {error, cambrian_error:format_error(Reason)}
    end.

checkpointed(Path, #{population := Population, task := Task, text := Text, running := Running,
                     elapsed := Elapsed, goal := Goal, champion := Champion, history := History}) ->
    #{generation := Generation, evaluations := Evaluations, seed := Seed} =
        cambrian_nif:population_info(Population),
    Pages = cambrian_history:pages(History),
    Limits = [Limit || {_, Value} = Limit <- lists:sort(maps:to_list(Goal)), Value =/= infinity],
    #{species := Species} = lists:last([#{species => none} | Pages]),
    [rows([{"name", safe(name(filename:basename(filename:dirname(Path))))},
           {"task", case Text of
                        <<>> -> [Task, ", which the file cannot tell in full"];
                        _ -> string:trim(Text, trailing, ".")
                    end},
           {"seed", integer_to_list(Seed)},
           {"generation", integer_to_list(Generation)},
           {"evaluations", integer_to_list(Evaluations)},
           {"time", io_lib:format("~.1f s", [Elapsed / 1000])},
           {"state", case Running of
                         true -> "running when it was written";
                         false -> "paused or at its end"
                     end},
           {"goal", goal(Limits)},
           {"parameters", parameters(Text, cambrian_nif:population_parameters(Population))}]
          ++ [{"species", integer_to_list(Species)} || Species =/= none]),
     [[$\n, chart(Pages)] || length(Pages) > 1],
     champion(Champion)].

champion(undefined) -> "\nNo generation has been evaluated yet.\n";
champion(#{champion := Genotype, fitness := Fitness, generation := Generation}) ->
    [io_lib:format("~nChampion: fitness ~ts, of generation ~b~n",
                   [cambrian_text:exact(Fitness), Generation]),
     genotype(Genotype)].

name(Quoted) ->
    case cambrian_file:unquoted(unicode:characters_to_binary(Quoted)) of
        {ok, Name} -> Name;
        error -> Quoted
    end.

%% The parameters that differ from the task's own.
parameters(Text, Parameters) ->
    Defaults = defaults(Text),
    case [Pair || {Name, Value} = Pair <- lists:sort(maps:to_list(Parameters)),
                  maps:get(Name, Defaults, Value) =/= Value] of
        [] -> "as the task has them";
        Others -> pairs(Others)
    end.

defaults(Text) ->
    try
        {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Text)),
        {ok, Task} = erl_parse:parse_term(Tokens),
        {ok, Own} = cambrian:parameters(Task),
        Own
    catch
        error:_ ->
            maps:from_list([{Name, Default}
                            || #{name := Name, default := Default} <- cambrian:parameters()])
    end.

goal([]) -> "what solves the task";
goal(Limits) -> pairs(Limits).

pairs(Pairs) ->
    lists:join(", ", [io_lib:format("~ts ~0tp", [Name, Value]) || {Name, Value} <- Pairs]).

%%% ---- genotypes, envelopes and records ----------------------------------------------------

json(Path, Text) ->
    case cambrian_genotype:from_json(Text) of
        {ok, Genotype} -> {ok, [Path, ": a genotype as JSON\n", genotype(Genotype)]};
        {error, {bad_json, Why}} -> {error, [Path, ": not the JSON of a genotype: ", Why]};
        {error, Reason} ->
            {error, [Path, ": the JSON of a genotype that is not sound: ",
                     cambrian_error:format_error(Reason)]}
    end.

%% An archive is an array of eleven.
sealed_or_bare(Path, <<16#9B, _/binary>> = Bytes) ->
    case cambrian_archive:from_binary(Bytes) of
        {ok, Archive} ->
            {ok, [Path, ": ", cambrian_cli_archive:text(cambrian_archive:stats(Archive)),
                  "\n  id           ", cambrian_text:hex(cambrian_archive:id(Archive)), $\n]};
        {error, malformed} ->
            {error, [Path, ": begins as an archive does, and is torn or damaged"]};
        {error, Reason} ->
            {error, [Path, ": an archive that is not sound: ",
                     cambrian_error:format_error(Reason)]}
    end;
sealed_or_bare(Path, Bytes) ->
    case {cambrian_genotype:from_binary(Bytes), cambrian_envelope:read(Bytes),
          cambrian_envelope:read_record(Bytes)} of
        {{ok, Genotype}, _, _} ->
            {ok, [Path, io_lib:format(": a genotype of ~b bytes~n", [byte_size(Bytes)]),
                  genotype(Genotype)]};
        {_, {ok, Envelope, Claims}, _} ->
            {ok, [Path, ": an envelope\n", claims(Claims),
                  opened(cambrian_envelope:open(Envelope))]};
        {_, _, {ok, Claims}} ->
            {ok, [Path, ": a record of an envelope, with a genuine signature\n", claims(Claims)]};
        {_, _, {error, bad_signature}} ->
            {error, [Path, ": a record of an envelope, with a forged signature"]};
        {{error, malformed}, {error, malformed}, {error, malformed}} ->
            {error, [Path, ": ", unknown(Bytes)]};
        {{error, malformed}, {error, Reason}, _} ->
            {error, [Path, ": an envelope that is not sound: ",
                     cambrian_error:format_error(Reason)]};
        {{error, Reason}, _, _} ->
            {error, [Path, ": a genotype that is not sound: ", cambrian_error:format_error(Reason)]}
    end.

%% A genotype begins with an array of ten, an envelope with one of three, and a checkpoint with its
%% header, which may be cut.
unknown(<<>>) -> "an empty file";
unknown(<<16#9A, _/binary>>) -> "begins as a genotype does, and is torn or damaged";
unknown(<<16#93, 16#C4, _/binary>>) -> "begins as an envelope does, and is torn or damaged";
unknown(Bytes) ->
    case binary:longest_common_prefix([Bytes, <<"cambrian ">>]) =:= min(9, byte_size(Bytes)) of
        true -> "begins as a checkpoint does, and is torn or of another version";
        false -> "none of Cambrian's files"
    end.

claims(#{genotype := Id, task := Task, realm := Realm, fitness := Fitness, generation := Generation,
         origin := Origin, sequence := Sequence, time := Time, parents := Parents,
         operators := Operators, base := Base, grant := Grant}) ->
    rows([{"genotype", cambrian_text:hex(Id)}, {"task", safe(Task)}, {"realm", safe(Realm)},
          {"fitness", [cambrian_text:exact(Fitness), ", as is claimed"]},
          {"generation", integer_to_list(Generation)}, {"origin", cambrian_text:hex(Origin)},
          {"sequence", integer_to_list(Sequence)}, {"signed", date(Time)},
          {"parents", words([cambrian_text:hex(Parent) || Parent <- Parents])},
          {"operators", words([safe(Operator) || Operator <- Operators])},
          {"payload", case Base of
                          undefined -> "whole";
                          _ -> ["a difference to ", cambrian_text:hex(Base)]
                      end},
          {"grant", case Grant of undefined -> "none"; _ -> "there is one" end}]).

date(Ms) ->
    calendar:system_time_to_rfc3339(min(Ms, ?LAST_MS), [{unit, millisecond}, {offset, "Z"}]).

%% The signature of a difference is checked before its base is looked for.
opened({ok, Genotype}) -> ["The signature is genuine.\n\n", genotype(Genotype)];
opened({error, bad_signature}) -> "The signature is forged: nothing of this is to be believed.\n";
opened({error, {missing_base, _}}) ->
    "The signature is genuine. Its genotype takes the base to be read.\n";
opened({error, Reason}) -> ["It cannot be opened: ", cambrian_error:format_error(Reason), $\n].

words([]) -> "none";
words(Words) -> lists:join(", ", Words).

safe(Text) -> cambrian_text:printable(Text).

rows(Rows) -> [["  ", string:pad(Label, 13), Text, $\n] || {Label, Text} <- Rows].

%%% ---- a genotype -------------------------------------------------------------------------

%% @doc A genotype: its id, its size, and what each of its nodes computes.
-spec genotype(cambrian_genotype:genotype()) -> unicode:chardata().
genotype(Genotype) ->
    #{inputs := Inputs, outputs := Outputs, nodes := Nodes, hidden := Hidden,
      connections := Connections, recurrent := Recurrent} = cambrian_genotype:info(Genotype),
    Genes = cambrian_genotype:to_map(Genotype),
    [io_lib:format("  id           ~ts~n  nodes        ~b: ~ts, ~b hidden, ~ts~n"
                   "  connections  ~b, ~b of them recurrent~n~n",
                   [cambrian_text:hex(cambrian_genotype:id(Genotype)), Nodes,
                    cambrian_text:counted(Inputs, "input"), Hidden,
                    cambrian_text:counted(Outputs, "output"), Connections, Recurrent]),
     network(Genes)].

%% The formula of each node, in the order of the nodes. A prime marks a value of the previous step.
network(#{nodes := Nodes} = Genes) ->
    Names = cambrian_graph:names(Genes, #{}),
    Links = [Link || #{enabled := true} = Link <- cambrian_graph:links(Genes)],
    Incoming = maps:groups_from_list(fun(#{to := To}) -> To end, Links),
    Lines = [node_line(Node, maps:get(Id, Incoming, []), Names)
             || #{id := Id, kind := Kind} = Node <- Nodes, Kind =/= input],
    Left = length(Lines) - ?MAX_LINES,
    [lists:sublist(Lines, ?MAX_LINES), [io_lib:format("  and ~b more~n", [Left]) || Left > 0]].

node_line(#{id := Id, activation := Activation, aggregation := Aggregation, gain := Gain,
            bias := Bias} = Node, Links, Names) ->
    Shown = lists:sublist(Links, ?MAX_TERMS),
    Terms = [{Weight, [" ", map_get(From, Names), ["'" || Kind =/= forward]]}
             || #{weight := Weight, from := From, kind := Kind} <- Shown],
    Left = length(Links) - ?MAX_TERMS,
    More = [io_lib:format("~b more", [Left]) || Left > 0],
    Sum = case Aggregation of
              _ when Terms =:= [] -> sum([{Bias, ""}], []);
              sum when Gain == 1 -> sum(Terms ++ [{Bias, ""} || Bias /= 0], More);
              sum -> [short(Gain), " (", sum(Terms, More), ")", added(Bias, "")];
              _ ->
                  [[[short(Gain), " "] || Gain /= 1], aggregate(Aggregation, Terms, More),
                   added(Bias, "")]
          end,
    io_lib:format("  ~ts = ~ts(~ts)~ts~n",
                  [map_get(Id, Names), Activation, Sum, state_and_learning(Node)]).

sum([{Weight, Name} | Terms], More) ->
    [short(Weight), Name, [added(W, N) || {W, N} <- Terms], [[" + ", Text] || Text <- More]].

added(Value, "") when Value == 0 -> "";
added(Value, Name) when Value < 0 -> [" - ", short(-Value), Name];
added(Value, Name) -> [" + ", short(Value), Name].

aggregate(Aggregation, Terms, More) ->
    Weighted = [[short(Weight), Name] || {Weight, Name} <- Terms],
    [atom_to_list(Aggregation), $(, lists:join(", ", Weighted ++ More), $)].

state_and_learning(#{dynamics := Dynamics, plasticity := Plasticity}) ->
    [[", ", atom_to_list(Word)] || Word <- [Dynamics, Plasticity], Word =/= none].

short(Value) when abs(Value) < 1.0e-3; abs(Value) >= 1.0e6 -> io_lib:format("~.3e", [Value]);
short(Value) -> io_lib:format("~.3f", [Value]).

%%% ---- a chart ----------------------------------------------------------------------------

chart(Pages) ->
    {Width, Height} = ?CHART,
    Points = [{cambrian_text:bounded(Best), cambrian_text:bounded(Mean)}
              || #{best := Best, mean := Mean} <- Pages],
    Shown = cambrian_spacing:evenly(Points, Width),
    {Bests, Means} = lists:unzip(Shown),
    {Low, High} = {lists:min(Bests ++ Means), lists:max(Bests ++ Means)},
    Row = fun(Value) -> round((Value - Low) / max(1.0e-12, High - Low) * (Height - 1)) end,
    Columns = [{Row(Best), Row(Mean)} || {Best, Mean} <- Shown],
    #{generation := Last} = lists:last(Pages),
    ["Fitness: * best, . mean\n",
     [[string:pad(label(At, Height - 1, Low, High), 10, leading), " |",
       [sign(At, Column) || Column <- Columns], $\n]
      || At <- lists:seq(Height - 1, 0, -1)],
     io_lib:format("~11s0~*w~n", ["", length(Columns), Last])].

label(Top, Top, _, High) -> short(High);
label(0, _, Low, _) -> short(Low);
label(_, _, _, _) -> "".

sign(At, {At, _}) -> $*;
sign(At, {_, At}) -> $.;
sign(_, _) -> $\s.
