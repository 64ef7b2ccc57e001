%% The test vectors, ours and those of a program in Python, read as any user would read them: each is what the text beside
%% it says, one fact a line.
-module(cambrian_vectors_tests).
-include_lib("eunit/include/eunit.hrl").

vectors_test_() ->
    [{Folder ++ "/" ++ Name, fun() -> check(kind(Name), bytes(Folder, Name), facts(Folder, Name), Folder) end}
     || Folder <- ["ours", "theirs"], Name <- names(Folder)].

every_kind_is_there_test() ->
    [?assertEqual(["difference", "envelope", "genotype", "grant", "record", "succession"],
                  lists:usort([kind(Name) || Name <- names(Folder)])) || Folder <- ["ours", "theirs"]].

check("genotype", Bytes, [{<<"genotype">>, Schema} | Facts], _) ->
    {ok, Genotype} = cambrian_genotype:from_binary(Bytes),
    ?assertEqual(fact(id, Facts), hex(cambrian_genotype:id(Genotype))),
    ?assertEqual(fact(bytes, Facts), hex(crypto:hash(sha256, Bytes))),
    ?assertEqual(Schema =:= <<"3">>, cambrian_genotype:to_binary(Genotype) =:= Bytes),
    #{inputs := Inputs, outputs := Outputs, nodes := Nodes, connections := Connections} =
        cambrian_genotype:to_map(Genotype),
    ?assertEqual({integer(inputs, Facts), integer(outputs, Facts)}, {Inputs, Outputs}),
    ?assertEqual([told_node(Kind, What) || {Kind, What} <- Facts, is_node(Kind)], [seen_node(Node) || Node <- Nodes]),
    ?assertEqual([told_connection(What) || {<<"connection">>, What} <- Facts],
                 [seen_connection(Connection) || Connection <- Connections]);
check("difference", Bytes, Facts, Folder) ->
    {ok, Target} = cambrian_genotype:patch(genotype(fact(base, Facts), Folder), Bytes),
    ?assertEqual(fact(target, Facts), hex(cambrian_genotype:id(Target)));
check("envelope", Bytes, Facts, Folder) ->
    {ok, Envelope, Read} = cambrian_envelope:read(Bytes),
    ?assertEqual(claims(Facts), Read),
    {ok, Genotype} = cambrian_envelope:open(Envelope, genotype(fact(base, Facts), Folder)),
    ?assertEqual(fact(opens, Facts), hex(cambrian_genotype:id(Genotype))),
    ?assertEqual({ok, Read}, cambrian_envelope:read_record(cambrian_envelope:record(Envelope)));
check("record", Bytes, Facts, _) ->
    ?assertEqual({ok, claims(Facts)}, cambrian_envelope:read_record(Bytes));
check("succession", Bytes, Facts, _) ->
    ?assertEqual({ok, #{old => unhex(fact(old, Facts)), new => unhex(fact(new, Facts)), time => integer(time, Facts)}},
                 cambrian_nif:identity_read_succession(Bytes));
check("grant", Bytes, Facts, _) ->
    ?assertEqual({ok, #{realm => fact(realm, Facts), by => unhex(fact(by, Facts)), key => unhex(fact(key, Facts)),
                        until => integer(until, Facts)}},
                 cambrian_nif:identity_read_grant(Bytes)).

claims(Facts) ->
    #{realm => fact(realm, Facts), task => fact(task, Facts), genotype => unhex(fact(genotype, Facts)),
      base => unhex(fact(base, Facts)), fitness => binary_to_float(fact(fitness, Facts)),
      generation => integer(generation, Facts), parents => [unhex(Id) || {<<"parent">>, Id} <- Facts],
      operators => [Name || {<<"operator">>, Name} <- Facts], origin => unhex(fact(origin, Facts)),
      grant => unhex(fact(grant, Facts)), sequence => integer(sequence, Facts), time => integer(time, Facts)}.

%% ---- genes -------------------------------------------------------------------------------

is_node(Kind) -> lists:member(Kind, [<<"input">>, <<"hidden">>, <<"output">>]).

told_node(Kind, What) ->
    [Id, Layer | Genes] = binary:split(What, <<" ">>, [global]),
    {binary_to_atom(Kind), binary_to_integer(Id, 16), binary_to_integer(Layer, 16), lists:sort(lists:map(fun gene/1, Genes))}.

gene(Text) ->
    [Name, Value] = binary:split(Text, <<"=">>),
    {binary_to_atom(Name), try f32(binary_to_float(Value)) catch error:badarg -> binary_to_atom(Value) end}.

%% Those genes that are not the usual ones.
seen_node(#{kind := Kind, id := Id, layer := Layer} = Node) ->
    Usual = #{activation => identity, aggregation => sum, bias => 0.0, gain => 1.0, dynamics => none, time_constant => 1.0,
              plasticity => none, learning_rate => 0.0, decay => 0.0},
    Genes = [{Gene, value(maps:get(Gene, Node, Value)), value(Value)} || {Gene, Value} <- maps:to_list(Usual)],
    {Kind, Id, Layer, lists:sort([{Gene, Seen} || {Gene, Seen, Value} <- Genes, Seen =/= Value])}.

told_connection(What) ->
    [Id, From, To, Weight | Disabled] = binary:split(What, <<" ">>, [global]),
    {binary_to_integer(Id, 16), binary_to_integer(From, 16), binary_to_integer(To, 16), f32(binary_to_float(Weight)),
     Disabled =:= []}.

seen_connection(#{id := Id, from := From, to := To, weight := Weight, enabled := Enabled}) ->
    {Id, From, To, f32(Weight), Enabled}.

value(Value) when is_float(Value) -> f32(Value);
value(Value) -> Value.

%% The bits: -0.0 is not 0.0.
f32(Float) -> <<Float:32/float>>.

%% ---- files -------------------------------------------------------------------------------

names(Folder) ->
    [Name || Name <- filelib:wildcard("*", folder(Folder)), filename:extension(Name) =/= ".txt"].

kind(Name) -> tl(filename:extension(Name)).

bytes(Folder, Name) ->
    {ok, Bytes} = file:read_file(filename:join(folder(Folder), Name)),
    Bytes.

facts(Folder, Name) ->
    Lines = binary:split(bytes(Folder, Name ++ ".txt"), <<"\n">>, [global, trim]),
    [{Fact, What} || Line <- Lines, [Fact, What] <- [binary:split(Line, <<" ">>)]].

%% That of an id.
genotype(<<"none">>, _) -> undefined;
genotype(Id, Folder) ->
    All = [cambrian_genotype:from_binary(bytes(Folder, Name)) || Name <- names(Folder), kind(Name) =:= "genotype"],
    [Genotype | _] = [Genotype || {ok, Genotype} <- All, hex(cambrian_genotype:id(Genotype)) =:= Id],
    Genotype.

fact(Name, Facts) -> proplists:get_value(atom_to_binary(Name), Facts).

integer(Name, Facts) -> binary_to_integer(fact(Name, Facts)).

hex(Bytes) -> string:lowercase(binary:encode_hex(Bytes)).

unhex(<<"none">>) -> undefined;
unhex(Hex) -> binary:decode_hex(Hex).

folder(Name) -> filename:join([root(filename:absname(".")), "test/vectors", Name]).

root(Dir) ->
    case filelib:is_regular(filename:join(Dir, "README.md")) of
        true -> Dir;
        false -> root(filename:dirname(Dir))
    end.
