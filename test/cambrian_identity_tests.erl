-module(cambrian_identity_tests).
-include_lib("eunit/include/eunit.hrl").

-define(MAGIC, <<"cambrian test 1\n">>).

in(Dir, Name) -> filename:join(Dir, Name).

%%% ---- files ------------------------------------------------------------------------------

a_file_is_written_whole_or_not_at_all_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = in(Dir, "below/of/it"),
        ?assertEqual({error, not_found}, cambrian_file:read(Path, ?MAGIC)),
        ok = cambrian_file:write(Path, ?MAGIC, <<"payload">>),
        ?assertEqual({ok, <<"payload">>}, cambrian_file:read(Path, ?MAGIC)),
        {ok, Bytes} = file:read_file(Path),
        [begin
             ok = file:write_file(Path, binary:part(Bytes, 0, Size)),
             ?assertEqual({Size, {error, {torn_file, Path}}},
                          {Size, cambrian_file:read(Path, ?MAGIC)})
         end || Size <- lists:seq(0, byte_size(Bytes) - 1)],
        ok = file:write_file(Path, <<"something else entirely">>),
        ?assertEqual({error, {other_file, Path}}, cambrian_file:read(Path, ?MAGIC)),
        {ok, Aside} = cambrian_file:set_aside(Path),
        ?assertEqual({ok, <<"something else entirely">>}, file:read_file(Aside)),
        ?assertEqual({error, not_found}, cambrian_file:read(Path, ?MAGIC)),
        ?assertEqual({ok, [filename:basename(Aside)]}, file:list_dir(filename:dirname(Path)))
    end).

an_error_of_a_file_names_the_file_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        ?assertEqual({error, {eisdir, Dir}}, cambrian_file:read(Dir, ?MAGIC)),
        ok = file:write_file(in(Dir, "file"), <<>>),
        Below = in(Dir, "file/below"),
        ?assertMatch({error, {_, Below}}, cambrian_file:write(Below, ?MAGIC, <<>>)),
        ?assertMatch({error, {_, Below}}, cambrian_file:write_secret(Below, ?MAGIC, <<>>)),
        ?assertEqual(ok, cambrian_file:delete(in(Dir, "nothing")))
    end).

a_path_may_be_a_string_or_a_binary_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = list_to_binary(in(Dir, "binary")),
        ok = cambrian_file:write(Path, ?MAGIC, <<1>>),
        ok = cambrian_file:write_secret(Path, ?MAGIC, <<2>>),
        ?assertEqual({ok, <<2>>}, cambrian_file:read_secret(Path, ?MAGIC))
    end).

a_file_name_made_of_any_text_is_harmless_test() ->
    Names =
        [cambrian_file:name(Text)
         || Text <- [<<>>, <<".">>, <<"..">>, <<"../x">>, <<"a/b">>, <<"a%2Fb">>, <<0, 255>>,
                     <<"org.example.lab">>, binary:copy(<<"/">>, 255), binary:copy(<<"x">>, 255)]],
    ?assertEqual(length(Names), length(lists:usort(Names))),
    [begin
         ?assertEqual(match, re:run(Name, "^[A-Za-z0-9%_~-][A-Za-z0-9%_.~-]*$", [{capture, none}])),
         ?assert(byte_size(Name) =< 200)
     end || Name <- Names],
    ?assertEqual(<<"org.example.lab">>, cambrian_file:name(<<"org.example.lab">>)).

%%% ---- secrets ----------------------------------------------------------------------------

the_file_of_a_secret_is_private_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = in(Dir, "new/identity"),
        {ok, #{key := Key, secret := Secret}} = cambrian_identity:load_or_new(Path),
        ?assertEqual(8#600, cambrian_temporary:mode(Path)),
        ?assertEqual(Key, cambrian_identity:public_key(Secret())),
        ?assertMatch({ok, #{key := Key, successions := []}}, cambrian_identity:load(Path)),
        {ok, #{key := Next}} = cambrian_identity:rotate(Path),
        ?assertEqual(8#600, cambrian_temporary:mode(Path)),
        ?assertMatch({ok, #{key := Next}}, cambrian_identity:load(Path)),
        {ok, Names} = file:list_dir(filename:dirname(Path)),
        ?assertEqual(["identity", "identity.copy"], lists:sort(Names)),
        ?assertEqual({8#600, file:read_file(Path)},
                     {cambrian_temporary:mode(Path ++ ".copy"), file:read_file(Path ++ ".copy")}),
        %% the file is behind a link, which stays
        Link = in(Dir, "link"),
        ok = file:make_symlink("new/identity", Link),
        {ok, #{key := Last}} = cambrian_identity:rotate(Link),
        ?assertMatch({{ok, "new/identity"}, {ok, #{key := Last}}},
                     {file:read_link(Link), cambrian_identity:load(Path)})
    end).

%% A misspelt path does not create a new key.
loading_a_missing_identity_is_an_error_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = in(Dir, "new/identtiy"),
        ?assertEqual({error, {enoent, Path}}, cambrian_identity:load(Path)),
        ?assertEqual({ok, []}, file:list_dir(Dir)),
        {ok, #{key := Key}} = cambrian_identity:load_or_new(Path),
        ?assertMatch({ok, #{key := Key}}, cambrian_identity:load(Path))
    end).

%% The directory is empty until only its owner may enter it, and the file is empty until only its
%% owner may read it.
no_other_user_can_read_an_identity_while_it_is_written_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = in(Dir, "identity"),
        Calls = traced(fun() -> cambrian_identity:load_or_new(Path) end),
        {OfCopy, OfFile} = lists:split(length(Calls) div 2, Calls),
        [written_unseen(To, Dir, Of) || {To, Of} <- [{Path ++ ".copy", OfCopy}, {Path, OfFile}]]
    end).

written_unseen(Path, Dir, Calls) ->
    Room = Path ++ ".new",
    Inside = Room ++ "/secret",
    ?assertMatch([{make_dir, [Room]}, {change_mode, [Room, 8#700]}, {write_file, [Inside, <<>>]},
                      {change_mode, [Inside, 8#600]}, {open, [Inside, _]}, {write, _}, {sync, _},
                  {rename, [Inside, Path]},
                      %% the sync of the directory, so that a power cut does not bring the old
                      %% file back
                      {open, [Dir, _]}, {sync, _}],
                     Calls).

%% No damage to the file loses the key. A VM that was killed between the writes of the two files
%% continues with the old key.
a_damaged_identity_is_restored_from_its_copy_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = in(Dir, "identity"),
        {ok, #{key := Old}} = cambrian_identity:load_or_new(Path),
        {ok, Before} = file:read_file(Path),
        {ok, #{key := Key}} = cambrian_identity:rotate(Path),
        {ok, Bytes} = file:read_file(Path),
        ok = logger:add_primary_filter(expected, {fun(_, _) -> stop end, []}),
        try
            [begin
                 ok = file:write_file(Path, Bad),
                 ?assertMatch({ok, #{key := Key, successions := [_]}},
                              cambrian_identity:load(Path)),
                 ?assertEqual({{ok, Bytes}, 8#600},
                              {file:read_file(Path), cambrian_temporary:mode(Path)}),
                 ok = file:delete(Path),
                 ?assertMatch({ok, #{key := Key, successions := [_]}},
                              cambrian_identity:load_or_new(Path)),
                 ?assertEqual({{ok, Bytes}, 8#600},
                              {file:read_file(Path), cambrian_temporary:mode(Path)})
             end
             || Bad <- [<<>>, binary:part(Bytes, 0, 60),
                        <<"PRIVATE KEY">> | [flipped(At, Bytes) || At <- lists:seq(0, 60)]]]
        after
            ok = logger:remove_primary_filter(expected)
        end,
        ok = file:write_file(Path, Before),
        ?assertMatch({ok, #{key := Old}}, cambrian_identity:load(Path))
    end).

%% An unreadable copy may hold the key, so no new key is written over it.
a_copy_that_cannot_be_read_is_kept_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = in(Dir, "identity"),
        Copy = Path ++ ".copy",
        {ok, #{key := Key}} = cambrian_identity:load_or_new(Path),
        {ok, Bytes} = file:read_file(Path),
        ok = file:delete(Path),
        ok = file:change_mode(Copy, 8#644),
        Refused = {error, {unsafe_permissions, Copy}},
        ?assertEqual([Refused, Refused, Refused],
                     [cambrian_identity:load_or_new(Path), cambrian_identity:load(Path),
                      cambrian_identity:rotate(Path)]),
        ?assertEqual({{ok, Bytes}, false}, {file:read_file(Copy), filelib:is_file(Path)}),
        ok = file:change_mode(Copy, 8#600),
        ?assertMatch({ok, #{key := Key}}, cambrian_identity:load_or_new(Path))
    end).

traced(Fun) ->
    Traced =
        [{make_dir, 1}, {change_mode, 2}, {write_file, 2}, {open, 2}, {write, 2}, {sync, 1},
         {rename, 2}],
    _ = [erlang:trace_pattern({file, Name, Arity}, true, []) || {Name, Arity} <- Traced],
    Pid = spawn_link(fun() -> receive go -> {ok, _} = Fun() end end),
    1 = erlang:trace(Pid, true, [call]),
    Monitor = monitor(process, Pid),
    Pid ! go,
    receive {'DOWN', Monitor, process, _, normal} -> ok end,
    Ref = erlang:trace_delivered(Pid),
    receive {trace_delivered, Pid, Ref} -> ok end,
    _ = [erlang:trace_pattern({file, Name, Arity}, false, []) || {Name, Arity} <- Traced],
    calls(Pid).

calls(Pid) ->
    receive {trace, Pid, call, {file, Name, Arguments}} -> [{Name, Arguments} | calls(Pid)]
    after 0 -> []
    end.

an_identity_that_others_may_read_is_refused_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = in(Dir, "identity"),
        {ok, _} = cambrian_identity:load_or_new(Path),
        {ok, Bytes} = file:read_file(Path),
        [begin
             ok = file:change_mode(Path, Mode),
             ?assertEqual({error, {unsafe_permissions, Path}}, cambrian_identity:load(Path)),
             ?assertEqual({error, {unsafe_permissions, Path}}, cambrian_identity:rotate(Path))
         end || Mode <- [8#640, 8#604, 8#660, 8#644, 8#620]],
        ?assertEqual({ok, Bytes}, file:read_file(Path))
    end).

%% Every damage has an error, and the file stays as it is.
a_damaged_identity_is_an_error_with_a_reason_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = in(Dir, "identity"),
        {ok, _} = cambrian_identity:load_or_new(Path),
        {ok, _} = cambrian_identity:rotate(Path),
        {ok, Bytes} = file:read_file(Path),
        ok = file:delete(Path ++ ".copy"),
        Size = byte_size(Bytes),
        Damaged = [binary:part(Bytes, 0, At) || At <- [0, 5, 20, 40, 60, 90, Size - 1]]
                  ++ [flipped(At, Bytes) || At <- lists:seq(0, Size - 1, 7)] ++
                      [<<"PRIVATE KEY">>, <<Bytes/binary, 0>>],
        [begin
             ok = file:write_file(Path, Bad),
             {error, {Reason, Path}} = cambrian_identity:load(Path),
             ?assert(lists:member(Reason, [torn_file, not_an_identity])),
             ?assertEqual({error, {Reason, Path}}, cambrian_identity:rotate(Path)),
             ?assertEqual({ok, Bad}, file:read_file(Path))
         end || Bad <- Damaged]
    end).

flipped(At, Bytes) ->
    <<Before:At/binary, Byte, After/binary>> = Bytes,
    <<Before/binary, (Byte bxor 1), After/binary>>.

%% The hash of the file is right, but its chain of successions does not lead to its key.
an_identity_with_a_wrong_chain_is_refused_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = in(Dir, "identity"),
        Chain = cambrian_identity:succession(<<1:256>>, <<2:256>>),
        Write =
            fun(Payload) ->
                ok = cambrian_file:write_secret(Path, <<"cambrian identity 1\n">>, Payload) end,
        Sized = <<(byte_size(Chain)):16, Chain/binary>>,
        Write(<<2:256, Sized/binary>>),
        ?assertMatch({ok, #{successions := [Chain]}}, cambrian_identity:load(Path)),
        [begin
             Write(Payload),
             ?assertEqual({error, {not_an_identity, Path}}, cambrian_identity:load(Path))
         end
         || Payload <- [<<>>, <<2:255, 0:1, 9>>, <<3:256, Sized/binary>>,
                        <<2:256, Sized/binary, Sized/binary>>,
                        <<2:256, 9:16, 1>>, <<2:256, 3:16, 1, 2, 3>>]]
    end).

%% Files that an interrupted write left behind hinder nothing.
an_identity_can_be_loaded_and_rotated_after_a_crash_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = in(Dir, "identity"),
        {ok, #{key := Key}} = cambrian_identity:load_or_new(Path),
        ok = file:make_dir(in(Dir, "identity.new")),
        ok = file:write_file(in(Dir, "identity.new/secret"), <<"half">>),
        ?assertMatch({ok, #{key := Key}}, cambrian_identity:load(Path)),
        {ok, #{successions := [_]}} = cambrian_identity:rotate(Path),
        ?assertMatch({ok, [_, _]}, file:list_dir(Dir))
    end).

the_chain_of_successions_is_bounded_test() ->
    Last =
        lists:foldl(fun(_, Identity) -> {ok, Next} = cambrian_identity:rotate(Identity), Next end,
                    cambrian_identity:from_secret(<<1:256>>), lists:seq(1, 103)),
    #{key := Key, successions := Chain} = Last,
    ?assertEqual(100, length(Chain)),
    ?assertMatch({ok, #{new := Key}}, cambrian_identity:read_succession(lists:last(Chain))).

%% The identity as a crash report would print it.
a_printed_identity_does_not_show_its_secret_test() ->
    Secret = cambrian_identity:new(),
    Shown = lists:flatten(io_lib:format("~w", [cambrian_identity:from_secret(Secret)])),
    [Start] = io_lib:format("~w", [binary:bin_to_list(Secret, 0, 6)]),
    ?assertEqual(nomatch, string:find(Shown, string:trim(Start, both, "[]"))),
    [?assertNot(shows(Secret, Fun))
     || Fun <- [fun() -> cambrian_identity:public_key(<<Secret/binary, 1>>) end,
                fun() -> cambrian_identity:succession(Secret, <<1>>) end,
                fun() -> cambrian_identity:grant(Secret, <<"lab">>, <<1>>, 1) end]].

%% A secret from a file may end in a newline, and options may have any shape: the error names only
%% the kind of the term.
no_error_of_an_option_shows_a_secret_test() ->
    Secret = cambrian_identity:new(),
    Token = binary:encode_hex(Secret),
    Realm = #{realm => <<"lab">>},
    Wrong =
        fun(S) ->
            [<<S/binary, $\n>>, binary:part(S, 0, byte_size(S) - 1), binary_to_list(S), {S}, [S],
             [S | S], #{a => S}, fun(_) -> S end] end,
    Calls = [fun() -> cambrian_bridge:start(Realm#{identity => Bad}) end || Bad <- Wrong(Secret)]
        ++ [fun() -> cambrian_bridge:start(Realm#{transport_options => Bad}) end
            || Bad <- Wrong(Secret), not is_map(Bad)]
        ++ [fun() -> cambrian_bridge:start_link(Bad) end
            || Bad <- [[{identity, Secret}], Secret, {Secret}]]
        ++ [fun() -> cambrian_transport_dist:connect(Realm#{identity => Bad}) end
            || Bad <- [Secret | Wrong(Secret)]]
        ++ [fun() -> cambrian_transport_dist:connect([{identity, Secret}]) end]
        ++ [fun() -> cambrian_dashboard:start(#{token => Bad}) end
            || Bad <- [{Token}, [Token | Token], #{a => Token}, <<Token/binary, $\n>>]]
        ++ [fun() -> cambrian_dashboard:start([{token, Token}]) end,
            fun() -> cambrian_dashboard:start(Token) end],
    [begin
         {error, Reason} = Call(),
         Text =
             unicode:characters_to_binary([cambrian_error:format_error(Reason),
                                           io_lib:format("~0p ~0w ~0tp",
                                                         [Reason, Reason, Reason])]),
         ?assertEqual([], [Form || Form <- forms_of(Secret), binary:match(Text, Form) =/= nomatch])
     end || Call <- Calls],
    ?assertEqual({error, {bad_option, {identity, <<"a binary of 33 bytes">>,
                                       <<"32 bytes, a fun that gives them, or a path: one of 32 "
                                         "bytes as a string">>}}},
                 cambrian_bridge:start(Realm#{identity => <<Secret/binary, $\n>>})).

%% Among random secrets one in some thousands is printable Unicode.
a_secret_as_a_list_is_no_path_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    Start = fun(Identity) ->
                cambrian_bridge:start(#{realm => <<"lab">>, identity => Identity})
            end,
    [?assertMatch({error, {bad_option, {identity, _, _}}}, Start(List))
     || List <- [lists:duplicate(32, 16#E9), "\n" ++ lists:duplicate(31, $a)]],
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = filename:join(Dir, lists:duplicate(32, $k)),
        Short = lists:nthtail(length(Path) - 32, Path),
        {ok, Back} = file:get_cwd(),
        ok = file:set_cwd(Dir),
        try
            ?assertMatch({ok, _}, Start(Short)),
            ok = cambrian_bridge:stop(),
            ?assert(filelib:is_regular(Short))
        after file:set_cwd(Back)
        end
    end).

%% The middle of a secret in every form in which it may be printed.
forms_of(Secret) ->
    Part = binary:part(Secret, 3, 12),
    Numbers = list_to_binary(lists:join(",", [integer_to_list(Byte) || <<Byte>> <= Part])),
    Hex = binary:encode_hex(Part),
    [Part, Numbers, Hex, string:lowercase(Hex), base64:encode(Part)].

%% Wrong values in the application's environment.
no_error_of_the_environment_shows_a_secret_test() ->
    Secret = cambrian_identity:new(),
    _ = application:stop(cambrian),
    _ = application:load(cambrian),
    Environments = [[{mesh_enabled, true}, {mesh_realm, <<"lab">>}, {mesh_options, Options}]
                    || Options <- [#{identity => <<Secret/binary, $\n>>}, [{identity, Secret}],
                                   Secret]]
        ++ [[{dashboard, Options}]
            || Options <- [[{token, binary:encode_hex(Secret)}],
                           #{token => {binary:encode_hex(Secret)}}]],
    [try
         [ok = application:set_env(cambrian, Key, Value) || {Key, Value} <- Environment],
         {error, Reason} = cambrian_app:check(),
         Text =
             unicode:characters_to_binary([cambrian_error:format_error(Reason),
                                           io_lib:format("~0p ~0w", [Reason, Reason])]),
         ?assertEqual([], [Form || Form <- forms_of(Secret), binary:match(Text, Form) =/= nomatch])
     after [application:unset_env(cambrian, Key) || {Key, _} <- Environment]
     end || Environment <- Environments].

the_status_of_the_dashboard_shows_no_message_test() ->
    Status =
        #{message => {login, <<"correct-horse-battery">>, #{}},
          log => [{in, <<"correct-horse-battery">>}], state => state},
    ?assertEqual(#{message => hidden, log => [], state => state},
                 cambrian_dashboard_access:format_status(Status)).

%% Wrong arguments of any kind, and a secret passed in the place of another argument.
no_error_of_a_call_shows_a_secret_test() ->
    Secret = cambrian_identity:new(),
    Long = <<Secret/binary, 1>>,
    Draft = #{realm => <<"lab">>, number => 1, owners => [<<1:256>>]},
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7),
    Claims =
        #{realm => <<"lab">>, task => <<"xor">>, fitness => 1.0, generation => 0, sequence => 1,
          time => 0},
    {ok, _} = cambrian_envelope:seal(Claims, G, Secret),
    [?assertEqual({Fun, false}, {Fun, shows(Secret, Fun)})
     || Fun <- [fun() -> cambrian_charter:seal(Secret, Draft) end,
                fun() -> cambrian_charter:seal(Draft, Long) end,
                fun() -> cambrian_charter:seal([{realm, <<"lab">>}], Secret) end,
                fun() -> cambrian_charter:cosign(none, Secret) end,
                fun() -> cambrian_charter:cosign(<<"charter">>, Long) end,
                fun() -> cambrian_charter:read([Secret]) end,
                fun() -> cambrian_identity:from_secret(Long) end,
                fun() -> cambrian_identity:name(Long) end,
                fun() -> cambrian_identity:load(Secret) end,
                fun() -> cambrian_identity:load_or_new([Secret | no_list]) end,
                fun() -> cambrian_identity:rotate(Secret) end,
                fun() ->
                    cambrian_identity:rotate(#{secret => Secret, key => <<1:256>>,
                                               successions => []}) end,
                fun() -> cambrian_identity:grant(Secret, lab, <<1:256>>, 1) end,
                fun() -> cambrian_identity:grant(<<"lab">>, Long, <<1:256>>, 1) end,
                fun() -> cambrian_identity:cosign(Secret, none) end,
                fun() -> cambrian_identity:cosign(<<"grant">>, Long) end,
                fun() -> cambrian_identity:reissue(Secret, none) end,
                fun() -> cambrian_identity:reissue(fun() -> Long end, <<>>) end,
                fun() -> cambrian_identity:read_grant([Secret]) end,
                fun() -> cambrian_identity:read_succession([Secret]) end,
                fun() -> cambrian_envelope:seal(Secret, G, Claims) end,
                fun() -> cambrian_envelope:seal(Claims, Secret, G) end,
                fun() -> cambrian_envelope:seal(Claims, G, Long) end,
                fun() -> cambrian_envelope:seal(Claims, G, Secret, G) end,
                fun() -> cambrian_envelope:seal(Claims#{fitness := Long}, G, Secret) end,
                fun() -> cambrian_envelope:seal(Claims#{operators => [mutate | Secret]}, G, Secret)
                end]],
    %% these calls return errors instead of raising
    [?assertEqual({error, {bad_charter, {Field, missing, Expected}}},
                  cambrian_charter:seal(maps:remove(Field, Draft), Secret))
     || {Field, Expected} <- [{realm, <<"a text of at most 255 bytes">>},
                              {number, <<"an integer from 1">>},
                              {owners, <<"1 to 6 keys, none twice">>}]],
    ?assertEqual({error,
                  {unknown_option, revoke,
                   #{did_you_mean => revoked, see => <<"type cambrian_charter:draft()">>}}},
                 cambrian_charter:seal(Draft#{revoke => [<<7:256>>]}, Secret)),
    ?assertMatch({error, {bad_charter, {owners, [_ | _], _}}},
                 cambrian_charter:seal(Draft#{owners => [<<1:256>> | <<2:256>>]}, Secret)),
    ?assertMatch({error, {bad_charter, {owners, 7, _}}},
                 cambrian_charter:seal(Draft#{owners => 7}, Secret)).

shows(Secret, Fun) ->
    try Fun() of Answer -> error({should_have_failed, Answer})
    catch error:badarg:Stack ->
        Said = case Stack of
                   [{_, _, _, Where} | _] when Where =/= [] ->
                       [cambrian_badarg:format_error(badarg, Stack)
                        || proplists:is_defined(error_info, Where)];
                   _ -> []
               end,
        binary:match(term_to_binary({Stack, Said}), Secret) =/= nomatch
    end.

%% The error says which argument is wrong and what it has to be.
a_wrong_argument_is_named_with_its_expected_form_test() ->
    Wrong =
        fun(Fun) ->
            try Fun() catch error:badarg:Stack -> cambrian_badarg:format_error(badarg, Stack) end
        end,
    IsSecret = <<"has to be a secret: 32 bytes, a fun that gives them, or an identity">>,
    ?assertEqual(#{1 => IsSecret, 2 => <<"has to be the name of a realm, a binary">>,
                   3 => <<"has to be a key of 32 bytes">>,
                   4 => <<"has to be a time in ms since 1970">>},
                 Wrong(fun() -> cambrian_identity:grant(<<1>>, lab, <<2>>, tomorrow) end)),
    ?assertEqual(#{2 => <<"has to be a grant, a binary from grant/4">>},
                 Wrong(fun() -> cambrian_identity:cosign(<<1:256>>, none) end)),
    ?assertEqual(#{1 => <<"has to be a map">>, 2 => IsSecret},
                 Wrong(fun() -> cambrian_charter:seal(<<1:256>>, #{}) end)),
    ?assertEqual(#{1 => <<"has to be a charter, a binary from seal/2">>},
                 Wrong(fun() -> cambrian_charter:read(none) end)).

%% An owner whose key is in a file signs with the identity that was loaded.
a_loaded_identity_signs_grants_and_charters_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        {ok, #{secret := Fun, key := Key} = Owner} =
            cambrian_identity:load_or_new(in(Dir, "owner")),
        Tomorrow = erlang:system_time(millisecond) + 86_400_000,
        Draft = #{realm => <<"lab">>, number => 1, owners => [Key]},
        {ok, Other} = cambrian_identity:grant(<<1:256>>, <<"lab">>, <<7:256>>, Tomorrow),
        {ok, Half} = cambrian_charter:seal(Draft, <<1:256>>),
        {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7),
        Claims =
            #{realm => <<"lab">>, task => <<"xor">>, fitness => 1.0, generation => 0, sequence => 1,
              time => 0},
        [begin
             {ok, Grant} = cambrian_identity:grant(Holder, <<"lab">>, <<7:256>>, Tomorrow),
             ?assertMatch({ok, #{by := [Key]}}, cambrian_identity:read_grant(Grant)),
             {ok, Again} = cambrian_identity:reissue(Holder, Other),
             ?assertMatch({ok, #{by := [Key]}}, cambrian_identity:read_grant(Again)),
             {ok, Both} = cambrian_identity:cosign(Holder, Other),
             {ok, #{by := By}} = cambrian_identity:read_grant(Both),
             ?assert(lists:member(Key, By)),
             {ok, Charter} = cambrian_charter:seal(Draft, Holder),
             ?assertMatch({ok, #{by := [Key]}}, cambrian_charter:read(Charter)),
             {ok, Cosigned} = cambrian_charter:cosign(Half, Holder),
             {ok, #{by := Two}} = cambrian_charter:read(Cosigned),
             ?assert(lists:member(Key, Two)),
             {ok, #{old := Key}} =
                 cambrian_identity:read_succession(cambrian_identity:succession(Holder, <<2:256>>)),
             {ok, Bytes} = cambrian_envelope:seal(Claims, G, Holder),
             {ok, _, #{origin := Key}} = cambrian_envelope:read(Bytes),
             ?assertEqual(Key, cambrian_identity:public_key(Holder))
         end || Holder <- [Owner, Fun, Fun()]]
    end).

%% A grant in seconds instead of ms, or until a past date, would be refused by every node.
a_grant_that_has_already_ended_cannot_be_made_test() ->
    Now = erlang:system_time(millisecond),
    [?assertEqual({error, {grant_expired, Until}},
                  cambrian_identity:grant(<<1:256>>, <<"lab">>, <<7:256>>, Until))
     || Until <- [0, Now, Now - 1, Now div 1000 + 86_400]],
    {ok, Ended} = cambrian_nif:identity_grant(<<1:256>>, <<"lab">>, <<7:256>>, {0, 1000}),
    ?assertEqual({error, {grant_expired, 1000}}, cambrian_identity:reissue(<<2:256>>, Ended)).

%%% ---- certificates -----------------------------------------------------------------------

certificates_of_another_kind_are_refused_test() ->
    Succession = cambrian_identity:succession(<<1:256>>, <<2:256>>),
    {ok, Grant} =
        cambrian_identity:grant(<<1:256>>, <<"lab">>, <<2:256>>,
                                erlang:system_time(millisecond) + 60_000),
    ?assert(cambrian_identity:is_succession(Succession)),
    ?assertNot(cambrian_identity:is_succession(Grant)),
    [?assertMatch({error, _}, cambrian_identity:read_succession(flipped(At, Succession)))
     || At <- lists:seq(0, byte_size(Succession) - 1)],
    [?assertMatch({error, _}, cambrian_identity:read_grant(flipped(At, Grant)))
     || At <- lists:seq(0, byte_size(Grant) - 1)],
    ?assertMatch({error, _}, cambrian_identity:read_grant(Succession)),
    ?assertMatch({error, _}, cambrian_identity:read_succession(Grant)).

an_envelope_is_not_accepted_as_a_succession_test() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
    [begin
         {ok, Bytes} =
             cambrian_envelope:seal(#{realm => Realm, task => <<"xor">>, fitness => 1.0,
                                      generation => 0,
                                      sequence => 1, time => 0}, G, <<1:256>>),
         ?assertNot(cambrian_identity:is_succession(Bytes))
     end || Realm <- [<<>>, <<"lab">>, binary:copy(<<"x">>, 255)]].

%%% ---- names ------------------------------------------------------------------------------

%% Few of 10,000 names are the same.
names_of_keys_are_pronounceable_words_test() ->
    Names = [cambrian_identity:name(<<N:256>>) || N <- lists:seq(1, 10_000)],
    ?assertEqual([],
                 [Name
                  || Name <- Names,
                  re:run(Name,
                         "^([bdfghjklmnprstvz][aiou]){2}[bdfghjklmnprstvz]-"
                         "([bdfghjklmnprstvz][aiou]){2}[bdfghjklmnprstvz]$") =:= nomatch]),
    ?assert(length(lists:usort(Names)) >= 9_998),
    ?assertEqual(<<"honol-gasar">>,
                 cambrian_identity:name(cambrian_identity:public_key(<<1:256>>))).

%% Each letter encodes bits as the proquint specification says.
names_of_keys_are_proquints_test() ->
    Digit = fun(Letter, Letters) -> {match, [{At, 1}]} = re:run(Letters, [Letter]), At end,
    [begin
         <<A, B, C, D, E, $-, F, G, H, I, J>> = cambrian_identity:name(Key),
         Bits =
             << <<(case Letter of
                 {Con, con} -> Digit(Con, "bdfghjklmnprstvz");
                 {Vo, vo} -> Digit(Vo, "aiou")
             end):
                  (case Letter of {_, con} -> 4; _ -> 2 end)>>
                || Letter <- [{A, con}, {B, vo}, {C, con}, {D, vo}, {E, con}, {F, con}, {G, vo},
                              {H, con}, {I, vo}, {J, con}] >>,
         ?assertEqual(binary:part(crypto:hash(sha256, Key), 0, 4), Bits)
     end || Key <- [<<N:256>> || N <- lists:seq(1, 100)]].
