%% The commands that read or write one file: `export', `import' and `inspect'.
-module(cambrian_cli_files_tests).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_command, [holds/2, run/1, with_champion/1]).

%%% ---- export and import ------------------------------------------------------------------

a_genotype_is_exported_in_every_format_test() ->
    with_champion(fun(Dir, File, Champion) ->
        Forms =
            [{"json", cambrian_genotype:to_json(Champion)}, {"dot", cambrian_picture:dot(Champion)},
             {"svg", cambrian_picture:network(Champion)}, {"c", cambrian_genotype:to_c(Champion)},
             {"rust", cambrian_genotype:to_rust(Champion)},
             {"onnx", cambrian_genotype:to_onnx(Champion)}],
        [begin
             Out = filename:join(Dir, "x"),
             ?assertEqual({0, "Written: " ++ Out ++ "\n", ""},
                          run(["export", File, "--to", Form, "--out", Out])),
             ?assertEqual({Form, {ok, Expected}}, {Form, file:read_file(Out)})
         end || {Form, Expected} <- Forms],
        %% the format is readable on standard output, and follows the file's name elsewhere
        {0, Json, ""} = run(["export", File, "--to", "json"]),
        ?assertEqual(cambrian_genotype:to_json(Champion), unicode:characters_to_binary(Json)),
        [begin
             Out = filename:join(Dir, Name),
             {0, _, ""} = run(["export", File, "--out", Out | Named]),
             ?assertEqual({ok, Expected}, file:read_file(Out))
         end || {Name, Named, Expected} <-
                    [{"a.rs", ["--name", "pole"],
                      cambrian_genotype:to_rust(Champion, #{name => <<"pole">>})},
                     {"a.c", ["--name", "pole"],
                      cambrian_genotype:to_c(Champion, #{name => <<"pole">>})},
                     {"a.onnx", [], cambrian_genotype:to_onnx(Champion)}]]
    end).

a_checkpoint_is_exported_with_its_normalisation_test_() ->
    {timeout, 30, fun() -> with_champion(fun(Dir, _, _) ->
        Result = filename:join(Dir, "result"),
        {0, _, _} =
            run(["evolve", "cambrian_drift", "--set", "normalise=true", "--generations", "20",
                 "--population", "20", "--seed", "1", "--quiet",
                 "--name", "cambrian_cli_drift", "--data-dir", Dir,
                 "--out", Result]),
        {0, Json, ""} = run(["export", "cambrian_cli_drift", "--data-dir", Dir, "--to", "json"]),
        holds("\"normalisation\": {\"means\":[", Json),
        {ok, Written} = file:read_file(filename:join(Result, "champion.json")),
        ?assertEqual(unicode:characters_to_binary(Json), Written),
        %% the genotype alone has none, so the JSON beside it is read, if it is of that genotype
        Alone = filename:join(Result, "champion.genotype"),
        ?assertEqual({0, Json, ""}, run(["export", Alone, "--to", "json"])),
        {0, Means, ""} =
            run(["export", filename:join(Result, "champion.json"), "--to", "c"]),
        holds("cambrian_means", Means),
        {ok, Other} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 9),
        ok = file:write_file(Alone, cambrian_genotype:to_binary(Other)),
        {0, Plain, ""} = run(["export", Alone, "--to", "json"]),
        ?assertEqual(nomatch, string:find(Plain, "normalisation"))
    end) end}.

a_normalisation_that_is_none_is_an_error_test_() ->
    [{Text, ?_test(with_champion(fun(Dir, File, _) ->
          {0, Json, ""} = run(["export", File, "--to", "json"]),
          Path = filename:join(Dir, "changed.json"),
          Changed = string:replace(Json, "\"nodes\"",
                                   "\"normalisation\": " ++ Text ++ ",\"nodes\""),
          ok = file:write_file(Path, unicode:characters_to_binary(Changed)),
          ?assertEqual({1, "", "cambrian: " ++ Path ++ ": " ++ Expected ++ "\n"},
                       run(["export", Path, "--to", "c"]))
      end))}
     || {Text, Expected} <-
            [{"7", "normalisation: expected means and factors"},
             {"{\"means\": [0.5], \"factors\": [1]}",
              "wrong size of normalisation: expected 2, got 1"},
             {"{\"means\": [1e40, 0], \"factors\": [1, 1]}",
              "normalisation beyond plus or minus 1.0e12"}]].

every_file_that_holds_a_genotype_can_be_exported_test() ->
    with_champion(fun(Dir, File, Champion) ->
        {0, Expected, ""} = run(["export", File, "--to", "json"]),
        Json = filename:join(Dir, "a.json"),
        ok = file:write_file(Json, Expected),
        ?assertEqual({0, Expected, ""}, run(["export", Json, "--to", "json"])),
        {0, Shown, ""} = run(["inspect", Json]),
        holds(Json ++ ": a genotype as JSON\n  id           7d5db3b7", Shown),
        ok = file:write_file(filename:join(Dir, "b.json"), "{}"),
        {1, "", Fault} = run(["inspect", filename:join(Dir, "b.json")]),
        holds("b.json: not the JSON of a genotype: missing field `schema`", Fault),
        Claims =
            #{realm => <<"r">>, task => <<"xor">>, fitness => 1.0, generation => 1, parents => [],
              operators => [],
              sequence => 1, time => 1},
        {ok, Sealed} = cambrian_envelope:seal(Claims, Champion, cambrian_identity:new()),
        Envelope = filename:join(Dir, "sealed"),
        ok = file:write_file(Envelope, Sealed),
        ?assertEqual({0, Expected, ""}, run(["export", Envelope, "--to", "json"])),
        {0, _, _} =
            run(["evolve", "xor", "--seed", "42", "--quiet", "--name", "cambrian_cli_export",
                 "--data-dir", Dir]),
        ?assertEqual({0, Expected, ""},
                     run(["export", "cambrian_cli_export", "--data-dir", Dir, "--to", "json"]))
    end).

an_exported_json_file_can_be_imported_test() ->
    with_champion(fun(Dir, File, _Champion) ->
        [Json, Copy] = [filename:join(Dir, Name) || Name <- ["a.json", "copy.genotype"]],
        {0, _, ""} = run(["export", File, "--out", Json]),
        {0, Out, ""} = run(["import", Json, "--out", Copy]),
        holds("Written: " ++ Copy ++ "\n  id           7d5db3b73f1fe080", Out),
        ?assertEqual(file:read_file(File), file:read_file(Copy))
    end).

a_network_of_neat_python_can_be_imported_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        [Json, Copy] = [filename:join(Dir, Name) || Name <- ["a.json", "copy.genotype"]],
        Network = fun(Activation) ->
            ["{\"format_version\": \"1.0\", \"network_type\": \"feedforward\", \"connections\": "
             "[{\"from\": -1, \"to\": 0, \"weight\": 2.0,",
             "\"enabled\": true}], \"topology\": {\"input_keys\": [-1], \"output_keys\": [0]}, "
             "\"nodes\": [{\"id\": 0, \"bias\": 0.5,",
             "\"response\": 1.5, \"activation\": {\"name\": \"", Activation,
             "\", \"custom\": false}, \"aggregation\": {\"name\": \"sum\", ",
             "\"custom\": false}}]}"]
        end,
        ok = file:write_file(Json, Network("tanh")),
        {0, Out, ""} = run(["import", Json, "--from", "neat-python", "--out", Copy]),
        holds("  out 0 = tanh(3.750 (2.000 in 0) + 1.250)\n", Out),
        ?assertMatch({0, _, ""}, run(["inspect", Copy])),
        ok = file:write_file(Json, Network("lelu")),
        ?assertEqual({1, "",
                      "cambrian: " ++ Json ++
                          ": nodes[0]: the activation lelu has no equal in Cambrian\n"},
                     run(["import", Json, "--from", "neat-python", "--out", Copy]))
    end).

an_export_or_import_that_fails_gives_one_line_test() ->
    with_champion(fun(Dir, File, _Champion) ->
        Html = filename:join(Dir, "report.html"),
        Json = filename:join(Dir, "a.json"),
        ok = file:write_file(Json, "{\n\"schema\": 2,\n\"inputs\": 0.5}"),
        [?assertEqual({Args, {Status, "", "cambrian: " ++ Line ++ "\n"}}, {Args, run(Args)})
         || {Args, Status, Line} <- [
                {["export", File], 2,
                 "export: --to is missing, expected json, dot, svg, c, rust or onnx"},
                {["export", File, "--to", "json", "--name", "pole"], 2,
                 "--name pole: expected with --to c or rust, which have names"},
                {["export", File, "--to", "json", "--data-dir", Dir], 2,
                 "--data-dir " ++ Dir ++ ": expected with a NAME; " ++ File ++ " is a file"},
                {["export", File, "--to", "pdf"], 2,
                 "--to pdf: expected json, dot, svg, c, rust or onnx"},
                {["export", File, "--to", "onnx"], 2,
                 "export " ++ File ++ ": --out is missing, expected a file for onnx"},
                {["export", Html, "--to", "c"], 1,
                 Html ++
                     ": neither a genotype nor a checkpoint nor an envelope of Cambrian's, nor "
                     "its JSON"},
                {["export", "/no/such", "--to", "c"], 1, "/no/such: there is no such file"},
                {["export", File, "--to", "c", "--out", "/no/such/x"], 1,
                 "/no/such/x: no such file or directory"},
                {["import", Json], 2,
                 "import " ++ Json ++ ": --out is missing, expected a file for the genotype"},
                {["import", Json, "--from", "sharp", "--out", "/x"], 2,
                 "--from sharp: expected cambrian or neat-python"},
                {["import", Json, "--out", "/x"], 1,
                 Json ++
                     ": inputs: invalid type: floating point `0.5`, expected u32 at line 3 column "
                     "13"},
                {["import", "/no/such", "--out", "/x"], 1, "/no/such: there is no such file"}]],
        {2, "", "cambrian: --name 3d: expected a lower-case letter" ++ _} =
            run(["export", File, "--to", "c", "--name", "3d"])
    end).

a_device_is_not_read_test() ->
    [?assertMatch({1, "", "cambrian: /dev/zero: a device, expected a file" ++ _}, run(Line))
     || Line <- ["inspect /dev/zero", "export /dev/zero --to c",
                 "import /dev/zero --out /tmp/none"]].

%%% ---- inspect ----------------------------------------------------------------------------

inspect_says_what_kind_of_file_it_reads_test_() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 20, outputs => 5}, 7),
    {ok, Grown} = cambrian_genotype:mutate(G, add_node, 1),
    Claims =
        #{realm => <<"org.example.lab">>, task => <<"x\e[2Jr">>, fitness => 2.87, generation => 3,
          sequence => 1, time => 0},
    {ok, Sealed} = cambrian_envelope:seal(Claims, G, <<1:256>>),
    {ok, Delta} = cambrian_envelope:seal(Claims, Grown, G, <<1:256>>),
    {ok, Envelope, _} = cambrian_envelope:read(Sealed),
    Record = cambrian_envelope:record(Envelope),
    Genotype = cambrian_genotype:to_binary(G),
    Rows =
        [{0, Genotype,
          ["a genotype of ", "nodes        25: 20 inputs, 0 hidden, 5 outputs", "out 4 = "]},
         {0, Sealed,
          ["an envelope", "The signature is genuine.", "as is claimed", "org.example.lab", "x?[2Jr",
           "1970-01-01T00:00:00"]},
         {0, forged(Sealed), ["The signature is forged"]},
         {0, Delta, ["a difference to ", "The signature is genuine."]},
         {0, Record, ["a record of an envelope, with a genuine signature", "org.example.lab"]},
         {0, <<"cambrian identity 1\nxyz">>, ["an identity, whose key is secret"]},
         {1, binary:part(Genotype, 0, 60), ["begins as a genotype does, and is torn or damaged"]},
         {1, binary:part(Sealed, 0, 60), ["begins as an envelope does, and is torn or damaged"]},
         {1, <<"cambrian checkpoint 2\nxyz">>, ["a checkpoint that is torn, or was changed since"]},
         {1, <<"cambrian checkpoint 99\nxyz">>, ["no checkpoint of this version"]},
         {1, <<"camb">>, ["begins as a checkpoint does"]},
         {1, <<>>, ["an empty file"]},
         {1, <<"something else">>, ["none of Cambrian's files"]}],
    [{hd(Parts), fun() -> inspected(Status, Bytes, Parts) end} || {Status, Bytes, Parts} <- Rows].

forged(Bytes) ->
    Size = byte_size(Bytes) - 1,
    <<Signed:Size/binary, Last>> = Bytes,
    <<Signed/binary, (Last bxor 1)>>.

inspected(Status, Bytes, Parts) ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = filename:join(Dir, "file"),
        ok = file:write_file(Path, Bytes),
        {Status, Out, Errors} = run(["inspect", Path]),
        [holds(Part, Out ++ Errors) || Part <- Parts],
        ?assertEqual([], [C || C <- Out ++ Errors, C < 32, C =/= $\n])
    end).

%% No damaged checkpoint stops the VM or gives a wrong description.
damaged_checkpoints_are_errors_test() ->
    cambrian_temporary:with_data_dir(fun(Dir) ->
        {ok, _} = cambrian:evolve('xor', #{seed => 1, generations => 2, name => cambrian_cli_torn}),
        [File | _] = filelib:wildcard(Dir ++ "/populations/cambrian_cli_torn/*.checkpoint"),
        {ok, Bytes} = file:read_file(File),
        [begin
             ok = file:write_file(File, binary:part(Bytes, 0, Size)),
             ?assertMatch({1, "", "cambrian: " ++ _}, run(["inspect", File]))
         end || Size <- lists:seq(0, byte_size(Bytes) - 1, 97)]
    end).
