%% @private
%% The options of a bridge, and the bridges in the application's environment.
-module(cambrian_bridge_options).

-export([check/1, check_grant/1, from_environment/1, environment_table/0]).

-define(A_GRANT, <<"a grant as its owners signed it, from cambrian_identity:grant/4">>).

%% @doc Checks the options and adds the defaults. `realm' is required. Hides a secret behind a fun,
%% because a supervisor shows the arguments of its children.
-spec check(map()) -> {ok, map()} | {error, term()}.
check(Options) ->
    Table = maps:merge(cambrian_trust:table(), table()),
    case cambrian_options:check(Options, Table, <<"type cambrian_bridge:options()">>) of
        {ok, #{realm := _} = Checked} -> grant(hidden(Checked));
        {ok, _} -> {error, {missing_options, [realm]}};
        Error -> Error
    end.

%% Other nodes would silently refuse the messages of this node under a wrong grant.
grant(#{grant := Bytes, realm := Realm} = Options) ->
    case cambrian_identity:read_grant(Bytes) of
        {ok, #{realm := Realm}} -> {ok, Options};
        {ok, #{realm := Other}} ->
            Expected = <<"a grant for the realm ", Realm/binary, "; this one is for ",
                         Other/binary>>,
            {error, bad_grant(Bytes, Expected)};
        {error, _} -> {error, bad_grant(Bytes, ?A_GRANT)}
    end;
grant(Options) -> {ok, Options}.

bad_grant(Bytes, Expected) -> {bad_option, {grant, Bytes, Expected}}.

%% @doc Refuses an expired grant when a user starts a bridge. A supervisor that restarts a bridge
%% does not call this: a bridge whose grant expired meanwhile still takes genotypes in.
-spec check_grant(map()) -> ok | {error, term()}.
check_grant(#{grant := Bytes}) ->
    {ok, #{until := Until}} = cambrian_identity:peek_grant(Bytes),
    case Until > erlang:system_time(millisecond) of
        true -> ok;
        false ->
            At = calendar:system_time_to_rfc3339(Until div 1000, [{offset, "Z"}]),
            Ended = list_to_binary(At),
            Expected = <<"a grant that has not ended; this one ended at ", Ended/binary>>,
            {error, bad_grant(Bytes, Expected)}
    end;
check_grant(_) -> ok.

table() ->
    #{realm => {fun is_realm/1, <<"a binary of at most 255 bytes">>},
      transport => {fun is_atom/1, <<"a module">>, cambrian_transport_dist},
      transport_options => {fun is_map/1, {secret, <<"a map">>}, #{}},
      identity => {fun is_identity/1,
                   {secret, <<"32 bytes, a fun that gives them, or a path: one of 32 bytes as a "
                              "string">>}},
      populations => {fun are_populations/1, <<"all, or a list of pids or names">>, []},
      aliases => {fun are_aliases/1,
                  <<"a map of keys or their names to texts of 1 to 64 printable bytes">>, #{}},
      grant => {fun(G) -> is_binary(G) andalso byte_size(G) =< 1024 end, ?A_GRANT},
      publish => {fun is_boolean/1, <<"true or false">>, true},
      publish_interval => {fun cambrian_options:is_count/1, <<"milliseconds">>, 1000},
      publish_best_fitness_threshold => {fun is_share/1, <<"a number from 0 to 1">>, 0.99},
      budget => {fun cambrian_options:is_positive/1, <<"a positive integer">>, 8},
      evaluation_share => {fun(X) -> is_number(X) andalso X > 0 andalso X < 1 end,
                           <<"a number from 0 to 1, both excluded">>, 0.1},
      cost_bound => {fun(X) -> is_number(X) andalso X >= 1 andalso X =< 1.0e9 end,
                     <<"a number from 1 to 1.0e9">>, 8},
      migration_policy => {fun(P) -> lists:member(P, [champion, tournament, novel, random]) end,
                           <<"champion, tournament, novel or random">>, champion},
      migration_interval => {fun cambrian_options:is_positive/1,
                             <<"milliseconds, from 1">>, 10_000},
      common_archive => {fun is_boolean/1, <<"true or false">>, false},
      purge => {fun is_boolean/1, <<"true or false">>, true},
      topology => {fun is_topology/1, <<"all, ring, {random, K} or {nearest, K}">>, all}}.

is_realm(Realm) -> is_binary(Realm) andalso byte_size(Realm) =< 255.

is_share(X) -> is_number(X) andalso X >= 0 andalso X =< 1.

is_topology(Topology) when Topology =:= all; Topology =:= ring -> true;
is_topology({How, K}) when How =:= random; How =:= nearest -> cambrian_options:is_positive(K);
is_topology(_) -> false.

are_populations(all) -> true;
%% The guard fails for an improper list.
are_populations(L) when length(L) >= 0 -> lists:all(fun is_handle/1, L);
are_populations(_) -> false.

is_handle(Handle) -> is_pid(Handle) orelse is_atom(Handle).

are_aliases(Aliases) when is_map(Aliases) ->
    lists:all(fun is_alias/1, maps:to_list(Aliases));
are_aliases(_) -> false.

is_alias({Of, Alias})
  when is_binary(Of), byte_size(Of) =:= 32 orelse byte_size(Of) =:= 11, is_binary(Alias),
       Alias =/= <<>>, byte_size(Alias) =< 64 ->
    Printable = "^[^\\p{C}()\\v]+$",
    is_text(unicode:characters_to_list(Alias))
        andalso re:run(Alias, Printable, [unicode, dollar_endonly]) =/= nomatch;
is_alias(_) -> false.

%% A binary of 32 bytes is a secret; it is refused if it looks like a path, because it may be
%% either. A secret of a wrong size is refused too: it must not become the name of a file.
is_identity(Fun) when is_function(Fun) -> is_function(Fun, 0);
is_identity(<<Bytes:32/binary>>) -> re:run(Bytes, "^[ -~]*/[ -~]*$") =:= nomatch;
is_identity(Path) when is_binary(Path) -> is_text(unicode:characters_to_list(Path));
%% Somebody may give the 32 bytes of a secret as a list, which must not become the name of a file.
%% So a list of 32 elements is a path only if all are printable ASCII. Any other path of 32
%% characters can be given as a binary.
is_identity(Path) when length(Path) =:= 32 ->
    lists:all(fun(C) -> is_integer(C) andalso C >= $\s andalso C =< $~ end, Path);
is_identity(Path) -> is_text(Path).

is_text(Text) -> Text =/= [] andalso io_lib:printable_unicode_list(Text).

hidden(#{identity := <<Secret:32/binary>>} = Options) ->
    case is_identity(Secret) of
        true -> Options#{identity := fun() -> Secret end};
        false -> Options
    end;
hidden(Options) -> Options.

%%% ---- the application's environment ------------------------------------------------------

%% @doc The keys of the environment, for {@link cambrian_options:check/3}.
environment_table() ->
    #{mesh_enabled => {fun is_boolean/1, <<"true or false">>},
      mesh_realm => {fun is_name/1, <<"a realm's name">>},
      subscribe_to_realms => {fun(L) -> is_list(L) andalso lists:all(fun is_name/1, L) end,
                              <<"a list of realms' names">>},
      publish_best_fitness_threshold => {fun is_share/1, <<"a number from 0 to 1">>},
      mesh_options => {fun is_map/1, {secret, <<"a map of a bridge's options">>}}}.

is_name(Name) when is_atom(Name) -> true;
is_name(Name) when is_binary(Name) -> byte_size(Name) =< 255;
is_name(Name) -> is_text(Name) andalso length(Name) =< 63.

%% @doc The bridges to start with the application: a bridge that publishes and takes in, and, for
%% each other realm in the subscriptions, a bridge that only takes in. All populations of this node
%% take part.
-spec from_environment(map()) -> {ok, [map()]} | {error, term()}.
from_environment(#{mesh_enabled := true} = Environment) ->
    Given = maps:merge(#{populations => all},
                       maps:merge(maps:get(mesh_options, Environment, #{}),
                                  maps:with([publish_best_fitness_threshold], Environment))),
    Home = [text(Realm) || #{mesh_realm := Realm} <- [Environment]],
    Subscribed = maps:get(subscribe_to_realms, Environment, []),
    Others = lists:usort([text(Realm) || Realm <- Subscribed]) -- Home,
    case [Given#{realm => Realm} || Realm <- Home]
        ++ [Given#{realm => Realm, publish => false} || Realm <- Others] of
        [] -> {error, {missing_options, [mesh_realm]}};
        Bridges -> check_all(Bridges, [])
    end;
from_environment(_) -> {ok, []}.

check_all([], Checked) -> {ok, lists:reverse(Checked)};
check_all([Options | Rest], Checked) ->
    case check(Options) of
        {ok, Good} -> check_all(Rest, [Good | Checked]);
        Error -> Error
    end.

text(Name) when is_atom(Name) -> atom_to_binary(Name);
text(Name) when is_binary(Name) -> Name;
text(Name) -> unicode:characters_to_binary(Name).
