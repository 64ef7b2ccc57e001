%% @doc Describes a reason in words.
%%
%% Functions of Cambrian answer `{error, Reason}'. {@link format_error/1} describes the reason in
%% one line; a crash of a task's code adds the lines of its stack.
%%
%% ```
%% 1> {error, Reason} = cambrian:evolve('xor', #{seed => -1}).
%% {error,{bad_option,{seed,-1,<<"an integer from 0 to 2^64 - 1">>}}}
%% 2> unicode:characters_to_binary(cambrian_error:format_error(Reason)).
%% <<"option seed must be an integer from 0 to 2^64 - 1, got: -1">>
%% '''
%%
%% Reasons of one kind have one shape:
%% <ul>
%% <li>A wrong value is `{bad_Thing, {Where, Got, Expected}}': `bad_option', `bad_parameter',
%%   `bad_task', `bad_dataset', `bad_table', `bad_charter' and `bad_name'. `Where' is the name of
%%   the option, the parameter or the field; for a dataset it is `inputs', `{inputs, Row}' or
%%   `{inputs, Row, Column}', counted from 1, the same with `targets', `rows' for the number of rows
%%   in both, or `memory'; for a table, a row (0 is the header), a column, or `{Row, Column}'. `Got'
%%   is the value, or `missing' if a charter or a table lacks it. For a dataset, `Got' is a number,
%%   an atom or the type of the term, because the data may be large or secret. `Expected' is a
%%   binary.</li>
%% <li>An unknown name is `{unknown_Thing, Name, Hint}': `unknown_option', `unknown_parameter',
%%   `unknown_operator' and `unknown_task'. See {@link hint()}.</li>
%% <li>An absent option is `{missing_options, Names}'.</li>
%% <li>A failure of your own code is `{bad_return, Function, Value}' or
%%   `{crashed, Function, Exception}' for `init/1', `{evaluation_failed, Fault}' for a single
%%   evaluation, and `{evaluations_failed, #{count, first}}' if the whole first generation
%%   failed.</li>
%% <li>A failed operation on a file is `{Posix, Path}', with an atom of `file:posix()'.</li>
%% </ul>
-module(cambrian_error).

-export([format_error/1, format_error/2]).
-export_type([reason/0, option/0, parameter/0, dataset/0, table/0, hint/0, exception/0]).

-type face() :: erlang | elixir.
-type hint() :: #{did_you_mean => atom() | string(), is_parameter => true, see := binary()}.
%% `see' is where the names are listed: a function, a module, or a type, as
%% `<<"type cambrian_bridge:options()">>'. `did_you_mean' is the most similar name, if any name is
%% similar. `is_parameter' is there if the option is a parameter, which belongs into `params'.

-type exception() :: {error | exit | throw, term(), Stack :: list()}.

-type reason() :: option() | parameter() | task() | dataset() | table() | evaluation() | program()
                | population() | genotype() | sealed() | mesh() | trust() | file() | application().
%% Every reason that a function of Cambrian answers.

-type option() :: {unknown_option, Name :: term(), hint()} | {missing_options, [atom()]}
                | {bad_option, {Name :: atom(), Got :: term(), Expected :: binary()}}.
-type parameter() :: {unknown_parameter, Name :: term(), hint()}
                   | {bad_parameter, {Name :: atom(), Got :: term(), Expected :: binary()}}.
-type task() :: {unknown_task, Name :: term(), hint()}
              | {bad_task, {task | module, Got :: term(), Expected :: binary()}}
              | {bad_return, mfa(), Value :: term()}
              | {crashed, {module(), Function :: atom(), Arguments :: [term()]}, exception()}
              | {no_trial, Name :: term()}.
-type dataset() :: {bad_dataset, {Where :: inputs | targets | rows | memory
                                         | {inputs | targets, Row :: pos_integer()}
                                         | {inputs | targets, Row :: pos_integer(),
                                            Column :: pos_integer()},
                                  Got :: term(), Expected :: binary()}}.
-type table() :: {bad_table, {Where :: file | columns | rows | memory | Column :: binary()
                                     | (Row :: integer())
                                     | {Row :: integer(), Column :: binary() | integer()},
                              Got :: term(), Expected :: binary()}}
               | {missing_columns | unknown_columns, [Name :: binary()], Known :: [binary()]}
               | {bad_schema, Why :: binary()}.
-type evaluation() :: {evaluation_failed, cambrian_fault:fault() | term()}
                    | {evaluations_failed, #{count := pos_integer(),
                                             first := cambrian_fault:fault() | none}}.
-type program() :: {program, Command :: term(),
                    program_not_found | {program_not_started, term()}
                    | {program_exited, Status :: integer()} | {program_hangs, Ms :: integer()}
                    | {program_failed, Message :: term()}
                    | {bad_answer, {unsupported_protocol, Got :: term(), Expected :: term()}
                                 | term()}}.
-type population() :: not_started | population_kept_failing | not_evaluated | no_archive | no_front
                    | running | busy | timeout | {already_started, pid()}
                    | {name_taken, Name :: term()}
                    | {data_dir_in_use, Dir :: file:name_all(), Holder :: binary()}
                    | {checkpoint_of_another_task, Task :: binary()}
                    | {checkpoint_differs, Option :: atom(), Own :: term(), Given :: term()}
                    | {torn_checkpoint, file:name_all()} | no_member_answered
                    | no_federation
                    | {other_member, node(),
                       nif_not_loaded | {other_version, binary()} | {other_code, module()}}.
-type genotype() :: not_applicable | incompatible | malformed | not_canonical
                  | {different_archives | invalid_archive, Why :: binary()}
                  | {unknown_operator, Name :: term(), hint()}
                  | {unknown_gene, Gene :: atom(), Name :: term()}
                  | {invalid_genotype, Why :: binary()} | {invalid_substrate, Why :: binary()}
                  | {wrong_size, What :: atom(), Expected :: term(), Got :: term()}
                  | {out_of_range, What :: atom()} | {too_large, Size :: integer()}
                  | {not_enough_memory, Wanted :: integer(), Allowed :: integer()}
                  | {bad_json, Why :: binary()} | {no_equal, What :: binary()}
                  | {unsupported_version, Version :: term()}
                  | {unsupported_version, Whose :: atom(), Version :: binary()}
                  | {{unsupported_version, Version :: term()}, file:name_all()}.
-type sealed() :: wrong_id | not_asked_for | bad_signature | bad_compression | unknown
                | {wrong_base | missing_base, Id :: binary()} | {bad_claim, Field :: atom()}
                | {bad_signature, Id :: binary()}.
-type mesh() :: too_large | too_many | disconnected | unknown_procedure | crashed | gone
              | not_found | corrupted | rate_limited
              | {bad_name, {topic | procedure | key, Got :: term(), Expected :: binary()}}
              | {transport_unavailable, module()} | {application_unavailable, atom()}
              | {cannot_listen, Place :: binary(), inet:posix()}
              | {no_identity_file, Realms :: [binary()]}.
-type trust() :: too_many_bans | already_succeeded | circular | banned_key | banned_genotype
               | too_many_successions | superseded | grant_expired | not_permitted
               | too_few_owners | retired_owner | banned_owner
               | {unknown_realm | realm_damaged | realm_unavailable | not_damaged,
                  Realm :: binary()}
               | {unknown_name | ambiguous_name, Name :: binary()}
               | {grant_expired, Until :: integer()} | {grant_too_long, Ms :: integer()}
               | {bad_charter, {Field :: atom(), Got :: term() | missing, Expected :: binary()}}.
-type file() :: enoent | {unsafe_permissions | not_an_identity | torn_file | malformed
                          | not_a_file | other_file, file:name_all()}
              | {file:posix(), file:name_all()}.
-type application() :: {nif_not_loaded, Why :: term()}
                     | {cambrian, {reason(), {cambrian_app, start, term()}}}.

%% The depth to which a term is printed, and how many characters of it.
-define(DEPTH, 30).
-define(MAX_TERM, 400).
%% The most names in a text, the most words of a term in a text, and the most characters of a part.
-define(MAX_NAMES, 10).
-define(MAX_TEXT_WORDS, 20_000).
-define(MAX_PART, 8_000).

%% @doc Describes a reason, with terms and names as Erlang writes them. Any term is described in
%% bounded time and size: a large term is cut, and a large integer shown as its size. Control
%% characters are escaped.
%%
%% ```
%% 1> {error, Reason} = cambrian_genotype:new(#{inputs => 2}, 7).
%% 2> unicode:characters_to_binary(cambrian_error:format_error(Reason)).
%% <<"option outputs is missing">>
%% '''
-spec format_error(reason() | term()) -> unicode:chardata().
format_error(Reason) -> format_error(Reason, erlang).

%% @doc Describes a reason, with terms and names as that language writes them.
%%
%% ```
%% 1> unicode:characters_to_binary(cambrian_error:format_error(not_started, elixir)).
%% <<"the application does not run: Application.ensure_all_started(:cambrian)">>
%% '''
-spec format_error(reason() | term(), face()) -> unicode:chardata().
format_error({cambrian, {Reason, {cambrian_app, start, _}}}, Face) ->
    ["the application ", term(cambrian, Face), " did not start: " | in_words(Reason, Face)];
format_error(Reason, Face) -> in_words(Reason, Face).

in_words(Reason, Face) ->
    Subjects = [fun option/1, fun task/1, fun table/1, fun evaluation/1, fun program/1,
                fun population/1, fun genotype/1, fun sealed/1, fun mesh/1, fun trust/1,
                fun charter/1, fun file/1],
    try [safe(Part, Face) || Part <- first(Subjects, Reason)]
    catch _:_ -> [safe({term, Reason}, Face)]
    end.

first([], Reason) -> [{term, Reason}];
first([Subject | Rest], Reason) ->
    case Subject(Reason) of
        none -> first(Rest, Reason);
        Parts -> Parts
    end.

%%% ---- the texts --------------------------------------------------------------------------
%%% Each function handles one subject. It returns the parts of a text; part/2 lists their kinds.

option({unknown_option, Name, #{see := _} = Hint}) ->
    ["unknown option ", {term, Name}, {hint, Hint}];
option({missing_options, [Name]}) -> ["option ", {term, Name}, " is missing"];
option({missing_options, Names}) -> ["options ", {terms, Names}, " are missing"];
option({bad_option, {options, Got, Expected}}) -> ["options" | must_be(Expected, Got)];
option({bad_option, {until, {Class, Reason, Stack}, _}}) when is_list(Stack) ->
    ["the function of ", {term, until}, " failed: ", {exception, Class, Reason, Stack}];
option({bad_option, {Name, Got, Expected}}) ->
    ["option ", {term, Name} | must_be(Expected, Got)];
option({unknown_parameter, Name, #{see := _} = Hint}) ->
    ["unknown parameter ", {term, Name}, {hint, Hint}];
option({bad_parameter, {Name, Got, Expected}}) ->
    ["parameter ", {term, Name} | must_be(Expected, Got)];
option(_) -> none.

must_be(Expected, Got) -> [" must be ", {expected, Expected}, ", got: ", {term, Got}].

task({unknown_task, Name, #{see := _} = Hint}) ->
    [{term, Name}, " is neither a module nor a task of Cambrian", {hint, Hint}];
task({bad_task, {module, Module, Expected}}) ->
    [{term, Module}, " is no task: expected ", {expected, Expected}];
task({bad_task, {task, Got, Expected}}) -> ["a task" | must_be(Expected, Got)];
task({bad_dataset, {{Part, Row, Column}, Got, Expected}}) ->
    ["row ", {term, Row}, ", column ", {term, Column}, " of a dataset's ", {text, Part}
     | must_be(Expected, Got)];
task({bad_dataset, {{Part, Row}, Got, Expected}}) ->
    ["row ", {term, Row}, " of a dataset's ", {text, Part} | must_be(Expected, Got)];
task({bad_dataset, {Part, Got, Expected}}) ->
    ["a dataset's ", {text, Part} | must_be(Expected, Got)];
task({bad_return, {_, _, _} = Function, Value}) ->
    [{function, Function}, " returned ", {term, Value}, {expected_return, Function}];
task({crashed, {_, _, _} = Function, {Class, Reason, [] = Stack}}) ->
    [{function, Function}, " failed: ", {exception, Class, Reason, Stack}];
task({crashed, {_, _, _} = Function, {Class, Reason, Stack}}) ->
    [{function, Function}, " failed: ", {fault, cambrian_fault:crashed(Class, Reason, Stack)}];
task({no_trial, Name}) ->
    ["the task ", {term, Name}, " has no trial: only you know what solves it"];
task(_) -> none.

table({bad_table, {Where, Got, Expected}}) ->
    place(Where) ++ [": expected ", {expected, Expected}, ", got: ", {text, Got}];
table({missing_columns, Names, Known}) ->
    ["the table lacks ", {text, listed(Names)}, "; it has ", {text, listed(Known)}];
table({unknown_columns, Names, Known}) ->
    ["there is no column ", {text, listed(Names)}, "; the table has ", {text, listed(Known)}];
table({bad_schema, Why}) -> ["not a schema of a table: ", {text, Why}];
table(_) -> none.

place(file) -> ["the file"];
place(Where) when is_atom(Where) -> ["the table's ", {text, Where}];
place({0, Column}) -> ["the header, column ", {text, Column}];
place({Row, Column}) -> ["row ", {term, Row}, ", column ", {text, Column}];
place(0) -> ["the header"];
place(Row) when is_integer(Row) -> ["row ", {term, Row}];
place(Column) -> ["column ", {text, Column}].

listed(Names) ->
    More = [[" and ", integer_to_list(length(Names) - ?MAX_NAMES), " more"]
            || length(Names) > ?MAX_NAMES],
    unicode:characters_to_binary([lists:join(", ", lists:sublist(Names, ?MAX_NAMES)), More]).

evaluation({evaluation_failed, timeout}) -> ["the evaluation took too long"];
evaluation({evaluation_failed, memory}) ->
    ["the evaluation took too much memory, or its process was killed"];
evaluation({evaluation_failed, {bad_fitness, Fitness}}) ->
    ["the evaluation gave no number: ", {term, Fitness}];
evaluation({evaluation_failed, {bad_score, {Key, Got, Expected} = Fault}}) ->
    Given = case cambrian_fault:is_length(Fault) of
                true -> {words, cambrian_text:counted(Got, "number")};
                false -> {term, Got}
            end,
    ["the evaluation gave ", Given, " as ", {term, Key}, ", expected ", {text, Expected}];
evaluation({evaluation_failed, {crashed, _} = Fault}) ->
    ["the evaluation failed: ", {fault, Fault}];
evaluation({evaluation_failed, Fault}) -> ["the evaluation failed: ", {fault, {crashed, Fault}}];
evaluation({evaluations_failed, #{count := Count, first := First}}) ->
    ["no network has a fitness, as all ", {term, Count},
     " evaluations failed; the first: ", {fault, First}];
evaluation(_) -> none.

program({program, Command, Why}) ->
    case cambrian_program_fault:did(Why, start) of
        none -> ["the program ", {term, Command}, " failed: ", {term, Why}];
        Words -> ["the program ", {term, Command}, " ", {words, Words}]
    end;
program(_) -> none.

population(not_started) ->
    ["the application does not run: ", {named, <<"application:ensure_all_started(cambrian)">>}];
population(population_kept_failing) -> ["the population crashed again and again"];
population(not_evaluated) -> ["no generation has been evaluated yet"];
population(no_archive) ->
    ["the population keeps no archive, which needs ", {term, search}, " ", {term, map_elites}];
population(no_front) ->
    ["the population has no front, which needs ", {term, search}, " ", {term, pareto}];
population(running) -> ["the population is running"];
population(busy) -> ["too many genotypes are waiting"];
population(timeout) -> ["the time was up"];
population({already_started, Pid}) -> ["the name is taken by ", {term, Pid}];
population({name_taken, Name}) -> ["the name ", {term, Name}, " is that of another process"];
population({data_dir_in_use, Dir, Holder}) ->
    ["the data directory ", {text, Dir}, " is in use by another VM (", {text, Holder}, ")"];
population({checkpoint_of_another_task, Task}) ->
    ["the checkpoint of that name is of task ", {term, Task}, "; ", {option, resume, false},
     " drops it"];
population({checkpoint_differs, Name, Own, Given}) ->
    ["the checkpoint of that name has ", {term, Own}, " for ", {term, Name},
     ", but the option is ", {term, Given}, "; ", {option, resume, false}, " drops it"];
population(no_member_answered) -> ["no member of the federation gave a checkpoint: try again"];
population(no_federation) ->
    ["the population has no federation: start it with the option ", {term, federation}];
population({other_member, Node, {other_version, Version}}) ->
    [{text, Node}, ", a member of the federation, has version ", {text, Version}, " of Cambrian"];
population({other_member, Node, {other_code, Module}}) ->
    [{text, Node}, ", a member of the federation, has other code of ", {term, Module}];
population({other_member, Node, Reason}) ->
    [{text, Node}, ", a member of the federation, cannot evaluate: ", {term, Reason}];
population({torn_checkpoint, Path}) -> ["the checkpoint ", {text, Path}, " is damaged"];
population(_) -> none.

genotype(not_applicable) -> ["the operator found nothing to change"];
genotype(incompatible) -> ["the genotypes differ in inputs or outputs"];
genotype({different_archives, Why}) -> ["these archives cannot be merged: ", {text, Why}];
genotype({invalid_archive, Why}) -> ["not an archive: ", {text, Why}];
genotype(malformed) -> ["these bytes are malformed"];
genotype(not_canonical) -> ["these bytes are not in canonical form"];
genotype({unknown_operator, Name, #{see := _} = Hint}) ->
    ["unknown operator ", {term, Name}, {hint, Hint}];
genotype({unknown_gene, Gene, Name}) -> ["unknown ", {text, Gene}, " ", {term, Name}];
genotype({invalid_genotype, Why}) -> ["invalid genotype: ", {text, Why}];
genotype({invalid_substrate, Why}) -> ["invalid substrate: ", {text, Why}];
genotype({wrong_size, What, Expected, Got}) ->
    ["wrong size of ", {text, What}, ": expected ", {term, Expected}, ", got ", {term, Got}];
genotype({out_of_range, What}) -> [{text, What}, " beyond plus or minus 1.0e12"];
genotype({too_large, Size}) -> [{term, Size}, " is too large"];
genotype({not_enough_memory, Wanted, Allowed}) ->
    ["it would take ", {term, Wanted}, " bytes, but only ", {term, Allowed},
     " are allowed (memory_limit)"];
genotype({bad_json, Why}) -> ["not the JSON that was expected: ", {text, Why}];
genotype({no_equal, What}) -> [{text, What}, " has no equal in Cambrian"];
genotype({unsupported_version, Version}) ->
    ["version ", {text, Version}, " is not supported"];
genotype({unsupported_version, Whose, Version}) ->
    ["version ", {text, Version}, " of ", {text, Whose}, " is not supported"];
genotype({{unsupported_version, Version}, Path}) ->
    [{text, Path}, ": version ", {text, Version}, " is not supported"];
genotype(_) -> none.

sealed(wrong_id) -> ["the id of the genotype is not the claimed id"];
sealed(not_asked_for) -> ["received a difference, but the whole genotype was requested"];
sealed(bad_signature) -> ["the signature was not made by the claimed key"];
sealed(bad_compression) -> ["the compressed data are damaged or too large"];
sealed(unknown) -> ["this node does not know the genotype"];
sealed({wrong_base, Id}) -> ["the difference is to another genotype, ", {id, Id}];
sealed({missing_base, Id}) ->
    ["the difference needs a genotype that was not given, ", {id, Id}];
sealed({bad_claim, Field}) -> ["the claimed ", {text, Field}, " is invalid"];
sealed({bad_signature, Id}) ->
    ["the claims about ", {id, Id}, " are not signed by the key that they name"];
sealed(_) -> none.

mesh(too_large) -> ["the message or the blob has too many bytes"];
mesh(too_many) -> ["a connection may announce no more keys"];
mesh(disconnected) -> ["the transport's connection has ended"];
mesh(unknown_procedure) -> ["the node at this address serves no procedure of this name"];
mesh(crashed) -> ["the called procedure crashed, or returned no binary"];
mesh(gone) -> ["no node is known at this address"];
mesh(not_found) -> ["no node has it"];
mesh(corrupted) -> ["the hash of the received content is not the requested hash"];
mesh(rate_limited) -> ["the origin sent more than its rate allows"];
mesh({bad_name, {What, Got, Expected}}) -> ["a ", {text, What} | must_be(Expected, Got)];
mesh({transport_unavailable, Transport}) ->
    ["transport ", {term, Transport}, " is not available"];
mesh({application_unavailable, Name}) ->
    ["OTP's application ", {term, Name}, " is not here: install it, or add it to the release"];
mesh({cannot_listen, Place, Why}) when is_atom(Why) ->
    ["cannot listen on ", {text, Place}, ": ", inet:format_error(Why)];
mesh({no_identity_file, Realms}) ->
    ["the bridge of ", {terms, Realms}, " has no file to keep a new secret in: give it a path as ",
     {term, identity}, ", or set ", {term, data_dir}];
mesh(_) -> none.

trust(too_many_bans) -> ["too many bans; unban some"];
trust(already_succeeded) -> ["the key has already named another successor"];
trust(circular) -> ["the key would succeed itself"];
trust(banned_key) -> ["the key is banned"];
trust(banned_genotype) -> ["the genotype is banned"];
trust(too_many_successions) -> ["the realm has no room for another succession"];
trust(grant_expired) -> ["the grant has ended"];
trust({unknown_realm, Realm}) -> ["the realm ", {term, Realm}, " was not opened here"];
trust({realm_damaged, Realm}) ->
    ["the realm ", {term, Realm}, " is closed, as none of its files is whole; ",
     {named, <<"cambrian_trust:reset/2">>}, " opens it anew, without its bans"];
trust({realm_unavailable, Realm}) ->
    ["the process of the realm ", {term, Realm}, " crashed; ask again"];
trust({not_damaged, Realm}) ->
    ["the files of the realm ", {term, Realm},
     " are not damaged, so there is nothing to reset"];
trust({unknown_name, Name}) -> ["this node knows no key with the name ", {text, Name}];
trust({ambiguous_name, Name}) ->
    ["several keys have the name ", {text, Name}, "; pass the key itself"];
trust({grant_expired, Until}) ->
    ["a grant until ", {term, Until}, " has already ended (the time is in ms since 1970)"];
trust({grant_too_long, Ms}) ->
    ["a grant may last for at most ", {term, Ms}, " ms, 366 days"];
trust(_) -> none.

charter(superseded) -> ["a charter with a higher number is in force"];
charter(not_permitted) ->
    ["the signing key may not publish in the realm and does not own it"];
charter(too_few_owners) -> ["too few owners of the realm signed the charter"];
charter(retired_owner) -> ["an owner signed the charter with a retired key"];
charter(banned_owner) -> ["an owner signed the charter with a key that this node banned"];
charter({bad_charter, {Field, missing, Expected}}) ->
    [{term, Field}, " of a charter is missing: ", {expected, Expected}];
charter({bad_charter, {Field, Got, Expected}}) ->
    [{term, Field}, " of a charter" | must_be(Expected, Got)];
charter(_) -> none.

file(enoent) -> ["there is no such file"];
file({unsafe_permissions, Path}) ->
    ["users other than its owner may read or write ", {text, Path}];
file({not_an_identity, Path}) -> ["the file ", {text, Path}, " holds no identity"];
file({torn_file, Path}) -> ["the file ", {text, Path}, " is damaged"];
file({malformed, Path}) -> ["the file ", {text, Path}, " is malformed"];
file({not_a_file, Path}) -> [{text, Path}, " is a device, a pipe or the like, not a file"];
file({other_file, Path}) -> ["the file ", {text, Path}, " is not one of Cambrian's"];
file({nif_not_loaded, Why}) -> ["the native library is not loaded: ", {term, Why}];
file({Posix, Path}) when is_atom(Posix), is_binary(Path) orelse is_list(Path) ->
    case file:format_error(Posix) of
        "unknown POSIX error" ++ _ -> none;
        Words -> [{text, Path}, ": ", Words]
    end;
file(_) -> none.

%%% ---- a face -----------------------------------------------------------------------------

%% Prints a part as a term if the part does not have the form of its kind.
safe(Part, Face) ->
    try escaped(Part, unicode:characters_to_list(part(Part, Face)))
    catch _:_ -> escaped(Part, term({part, Part}, erlang))
    end.

%% Only a fault has several lines.
escaped(Part, Text) ->
    Lines = is_tuple(Part) andalso element(1, Part) =:= fault,
    Escaped = [case C of
                   $\n when Lines -> C;
                   _ -> escape(C)
               end || C <- lists:sublist(lists:flatten(Text), ?MAX_PART)],
    unicode:characters_to_binary(Escaped).

%% Escapes control characters, and characters that change the direction of writing.
escape($\n) -> "\\n";
escape($\r) -> "\\r";
escape($\t) -> "\\t";
escape(C) when C < 32; C >= 127, C =< 159; C >= 16#2028, C =< 16#202E; C >= 16#2066, C =< 16#2069 ->
    io_lib:format("\\x{~.16b}", [C]);
escape(C) -> C.

%% The two languages differ only in how they write terms and names.
part({term, Term}, Face) -> term(Term, Face);
part({terms, Terms}, Face) when length(Terms) =< ?MAX_NAMES ->
    lists:join(", ", [term(Term, Face) || Term <- Terms]);
part({terms, Terms}, Face) when is_list(Terms) ->
    {First, Rest} = lists:split(?MAX_NAMES, Terms),
    [part({terms, First}, Face), " and ", integer_to_list(length(Rest)), " more"];
part({text, Text}, _Face) -> text(Text);
part({words, Words}, _Face) -> Words;
part({id, Id}, _Face) when byte_size(Id) =< 64 -> cambrian_text:hex(Id);
part({expected, Expected}, Face) when is_binary(Expected) -> text(named(Expected, Face));
part({named, Name}, Face) -> named(Name, Face);
part({option, Name, Value}, erlang) -> io_lib:format("~tp => ~tp", [Name, Value]);
part({option, Name, Value}, elixir) -> io_lib:format("~ts: ~tp", [Name, Value]);
part({function, {M, F, Arguments}}, erlang)
  when is_atom(M), is_atom(F), length(Arguments) < 256 ->
    [io_lib:format("~tp:~tp(", [M, F]), part({terms, Arguments}, erlang), $)];
part({function, {M, F, A}}, erlang) when is_atom(M), is_atom(F), A >= 0, A < 256 ->
    io_lib:format("~tp:~tp/~b", [M, F, A]);
part({function, {M, F, A}}, elixir)
  when is_atom(M), is_atom(F), A >= 0, A < 256; is_atom(M), is_atom(F), length(A) < 256 ->
    elixir('Elixir.Exception', format_mfa, [M, F, A]);
part({exception, Class, Reason, _}, erlang) -> [atom_to_list(Class), $\s, term(Reason, erlang)];
part({exception, Class, Reason, Stack}, elixir) ->
    elixir('Elixir.Exception', format_banner, [Class, Reason, Stack]);
part({expected_return, Function}, Face) -> cambrian_fault:expected_return(Function, Face);
part({fault, Fault}, Face) -> cambrian_fault:text(Fault, Face);
part({hint, #{see := See} = Hint}, Face) when is_binary(See) ->
    Near = [[" (did you mean ", term(Name, Face), "?)"] || #{did_you_mean := Name} <- [Hint]],
    Params = [[" (it is a parameter: give it in ", term(params, Face), ")"]
              || #{is_parameter := true} <- [Hint]],
    [Near, Params, "; ", [case named(See, Face) of
                      <<"type ", _/binary>> = Type -> ["the ", Type];
                      Name -> text(Name)
                  end], " lists them"];
part([_ | _] = Text, _Face) -> Text.

%% Printing takes quadratic time in the digits of an integer.
term(Integer, _Face) when is_integer(Integer), abs(Integer) >= 1 bsl 1024 ->
    Bytes = byte_size(binary:encode_unsigned(abs(Integer))),
    io_lib:format("an integer of ~b bytes", [Bytes]);
term(Term, erlang) ->
    io_lib:format("~0tP", [cambrian_fault:printable(Term), ?DEPTH], [{chars_limit, ?MAX_TERM}]);
term(Term, elixir) -> elixir('Elixir.Kernel', inspect, [cambrian_fault:printable(Term)]).

%% The compiler does not know Elixir's modules.
elixir(Module, Function, Arguments) -> apply(Module, Function, Arguments).

text(Text) when is_atom(Text) -> atom_to_binary(Text);
text(Text) when is_binary(Text) -> cambrian_text:text(Text);
text(Text) when is_list(Text) ->
    case cambrian_fault:is_small(Text, ?MAX_TEXT_WORDS) of
        true -> cambrian_text:text(Text);
        false -> term(Text, erlang)
    end;
text(Other) -> term(Other, erlang).

%% The name of a function, a type or a task's form in Erlang, and the same in Elixir.
named(Name, erlang) -> Name;
named(Name, elixir) -> maps:get(Name, elixir_names(), Name).

elixir_names() ->
    #{<<"application:ensure_all_started(cambrian)">> =>
          <<"Application.ensure_all_started(:cambrian)">>,
      <<"cambrian:parameters/0">> => <<"Cambrian.parameters/0">>,
      <<"type cambrian_bridge:options()">> => <<"Cambrian.Bridge">>,
      <<"cambrian_bridge:publish_genotype/2">> => <<"Cambrian.Bridge.publish_genotype/2">>,
      <<"type cambrian_charter:draft()">> => <<"Cambrian.Charter">>,
      <<"type cambrian_chart:opts()">> => <<"Cambrian.Picture.fitness/2">>,
      <<"type cambrian_dashboard:options()">> => <<"Cambrian.Dashboard">>,
      <<"cambrian_data:prepare/2">> => <<"Cambrian.Data.prepare/2">>,
      <<"cambrian_table:read/2">> => <<"Cambrian.Table.read/2">>,
      <<"cambrian_environment:init/1">> => <<"Cambrian.Environment">>,
      <<"cambrian_genotype:operators/0">> => <<"Cambrian.Genotype.operators/0">>,
      <<"cambrian_genotype:to_json/2">> => <<"Cambrian.Genotype.to_json/2">>,
      <<"cambrian_genotype:to_c/2">> => <<"Cambrian.Genotype.to_c/2">>,
      <<"cambrian_genotype:to_rust/2">> => <<"Cambrian.Genotype.to_rust/2">>,
      <<"cambrian_genotype:to_onnx/2">> => <<"Cambrian.Genotype.to_onnx/2">>,
      <<"type cambrian_governor:settings()">> => <<"Cambrian.Governor">>,
      <<"type cambrian_archive:picture_options()">> => <<"Cambrian.Archive.to_svg/2">>,
      <<"type cambrian_front:picture_options()">> => <<"Cambrian.Front.to_svg/2">>,
      <<"cambrian_remeasure:archive/3">> => <<"Cambrian.Archive.remeasure/3">>,
      <<"type cambrian_heat:opts()">> => <<"Cambrian.Picture">>,
      <<"type cambrian_population:goal()">> => <<"Cambrian.Population">>,
      <<"type cambrian_population:options()">> => <<"Cambrian.evolve/2">>,
      <<"cambrian_population:purge/2">> => <<"Cambrian.Population.purge/2">>,
      <<"type cambrian_program:options()">> => <<"Cambrian.Program">>,
      <<"type cambrian_substrate:options()">> => <<"Cambrian.Substrate">>,
      <<"type cambrian_svg:network_opts()">> => <<"Cambrian.Picture.network/2">>,
      <<"cambrian_task">> => <<"Cambrian.evolve/2">>,
      <<"cambrian_task:evaluate/3">> => <<"Cambrian.Task.evaluate/3">>,
      <<"cambrian_task:init/1">> => <<"Cambrian.Task">>,
      <<"cambrian:tasks/0">> => <<"Cambrian.tasks/0">>,
      <<"cambrian_trust:reset/2">> => <<"Cambrian.Trust.reset/2">>,
      <<"type cambrian_traffic:opts()">> => <<"Cambrian.Picture">>,
      <<"type cambrian_trust:options()">> => <<"Cambrian.Trust">>,
      <<"a name of cambrian:tasks/0, a module, {Module, Args}, a fun of one argument, "
        "{program, Options} or {dataset, Inputs, Targets}">> =>
          <<"a name of Cambrian.tasks/0, a module, {module, args}, a function of one argument, "
            "{:program, options} or {:dataset, inputs, targets}">>,
      <<"{dataset, Settings}">> => <<"{:dataset, inputs: rows, targets: rows}">>}.
