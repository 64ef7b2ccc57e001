%% @private
%% What a bridge may be told, and what the application's environment says of bridges.
-module(cambrian_bridge_options).

-export([check/1, check_grant/1, from_environment/1, environment_table/0]).

-define(A_GRANT, <<"a grant as its owners signed it, from cambrian_identity:grant/4">>).

%% @doc With defaults, and the secret behind a fun, as a supervisor shows the arguments of its children; the realm must be there.
-spec check(map()) -> {ok, map()} | {error, term()}.
check(Options) ->
    Table = maps:merge(cambrian_trust:table(), table()),
    case cambrian_options:check(Options, Table, <<"type cambrian_bridge:options()">>) of
        {ok, #{realm := _} = Checked} -> grant(hidden(Checked));
        {ok, _} -> {error, {missing_options, [realm]}};
        Error -> Error
    end.

%% Nobody would take what the envelopes of this node show: a mistake that is seen here, or nowhere.
grant(#{grant := Bytes, realm := Realm} = Options) ->
    case cambrian_identity:read_grant(Bytes) of
        {ok, #{realm := Realm}} -> {ok, Options};
        {ok, #{realm := Other}} ->
            {error, bad_grant(Bytes, <<"a grant for the realm ", Realm/binary, "; this one is for ", Other/binary>>)};
        {error, _} -> {error, bad_grant(Bytes, ?A_GRANT)}
    end;
grant(Options) -> {ok, Options}.

bad_grant(Bytes, Expected) -> {bad_option, {grant, Bytes, Expected}}.

%% @doc Whether a grant has not ended. Asked when somebody starts a bridge, not when a supervisor starts one anew: a bridge
%% whose grant ended meanwhile goes on taking in.
-spec check_grant(map()) -> ok | {error, term()}.
check_grant(#{grant := Bytes}) ->
    {ok, #{until := Until}} = cambrian_identity:peek_grant(Bytes),
    case Until > erlang:system_time(millisecond) of
        true -> ok;
        false ->
            Ended = list_to_binary(calendar:system_time_to_rfc3339(Until div 1000, [{offset, "Z"}])),
            {error, bad_grant(Bytes, <<"a grant that has not ended; this one ended at ", Ended/binary>>)}
    end;
check_grant(_) -> ok.

table() ->
    #{realm => {fun is_realm/1, <<"a binary of at most 255 bytes">>},
      transport => {fun is_atom/1, <<"a module">>, cambrian_transport_dist},
      transport_options => {fun is_map/1, <<"a map">>, #{}},
      identity => {fun is_identity/1, <<"32 bytes, a fun that gives them, or a path: one of 32 bytes as a string">>},
      populations => {fun are_populations/1, <<"all, or a list of pids or names">>, []},
      aliases => {fun are_aliases/1, <<"a map of keys or their names to texts of 1 to 64 printable bytes">>, #{}},
      grant => {fun(G) -> is_binary(G) andalso byte_size(G) =< 1024 end, ?A_GRANT},
      publish => {fun is_boolean/1, <<"true or false">>, true},
      publish_interval => {fun cambrian_options:is_count/1, <<"milliseconds">>, 1000},
      publish_best_fitness_threshold => {fun is_share/1, <<"a number from 0 to 1">>, 0.99},
      budget => {fun cambrian_options:is_positive/1, <<"a positive integer">>, 8},
      evaluation_share => {fun(X) -> is_number(X) andalso X > 0 andalso X < 1 end, <<"a number from 0 to 1, both excluded">>, 0.1},
      cost_bound => {fun(X) -> is_number(X) andalso X >= 1 andalso X =< 1.0e9 end, <<"a number from 1 to 1.0e9">>, 8},
      migration_policy => {fun(P) -> lists:member(P, [champion, tournament, novel, random]) end,
                           <<"champion, tournament, novel or random">>, champion},
      migration_interval => {fun cambrian_options:is_positive/1, <<"milliseconds, from 1">>, 10_000},
      purge => {fun is_boolean/1, <<"true or false">>, true},
      topology => {fun is_topology/1, <<"all, ring, {random, K} or {nearest, K}">>, all}}.

is_realm(Realm) -> is_binary(Realm) andalso byte_size(Realm) =< 255.

is_share(X) -> is_number(X) andalso X >= 0 andalso X =< 1.

is_topology(Topology) when Topology =:= all; Topology =:= ring -> true;
is_topology({How, K}) when How =:= random; How =:= nearest -> cambrian_options:is_positive(K);
is_topology(_) -> false.

are_populations(all) -> true;
are_populations(L) -> is_list(L) andalso lists:all(fun(Handle) -> is_pid(Handle) orelse is_atom(Handle) end, L).

are_aliases(Aliases) when is_map(Aliases) -> lists:all(fun is_alias/1, maps:to_list(Aliases));
are_aliases(_) -> false.

is_alias({Of, Alias}) when is_binary(Of), byte_size(Of) =:= 32 orelse byte_size(Of) =:= 11, is_binary(Alias),
                           Alias =/= <<>>, byte_size(Alias) =< 64 ->
    is_text(unicode:characters_to_list(Alias)) andalso re:run(Alias, "^[^\\p{C}()\\v]+$", [unicode, dollar_endonly]) =/= nomatch;
is_alias(_) -> false.

%% What has 32 bytes is a secret; if it reads like a path, the one or the other would be a bad guess. A secret of a wrong
%% size is no path: it must not become the name of a file.
is_identity(Fun) when is_function(Fun) -> is_function(Fun, 0);
is_identity(<<Bytes:32/binary>>) -> re:run(Bytes, "^[ -~]*/[ -~]*$") =:= nomatch;
is_identity(Path) when is_binary(Path) -> is_text(unicode:characters_to_list(Path));
is_identity(Path) -> is_text(Path).

is_text(Text) -> Text =/= [] andalso io_lib:printable_unicode_list(Text).

hidden(#{identity := <<Secret:32/binary>>} = Options) ->
    case is_identity(Secret) of
        true -> Options#{identity := fun() -> Secret end};
        false -> Options
    end;
hidden(Options) -> Options.

%%% ---- the application's environment ------------------------------------------------------

%% @doc For {@link cambrian_options:check/3}.
environment_table() ->
    #{mesh_enabled => {fun is_boolean/1, <<"true or false">>},
      mesh_realm => {fun is_name/1, <<"a realm's name">>},
      subscribe_to_realms => {fun(L) -> is_list(L) andalso lists:all(fun is_name/1, L) end, <<"a list of realms' names">>},
      publish_best_fitness_threshold => {fun is_share/1, <<"a number from 0 to 1">>},
      mesh_options => {fun is_map/1, <<"a map of a bridge's options">>}}.

is_name(Name) when is_atom(Name) -> true;
is_name(Name) when is_binary(Name) -> byte_size(Name) =< 255;
is_name(Name) -> is_text(Name) andalso length(Name) =< 63.

%% @doc Which bridges there are to be from the start: one that publishes and takes in, and for each other realm that is
%% subscribed to, one that only takes in. All populations of this node take part.
-spec from_environment(map()) -> {ok, [map()]} | {error, term()}.
from_environment(#{mesh_enabled := true} = Environment) ->
    Given = maps:merge(#{populations => all},
                       maps:merge(maps:get(mesh_options, Environment, #{}),
                                  maps:with([publish_best_fitness_threshold], Environment))),
    Home = [text(Realm) || #{mesh_realm := Realm} <- [Environment]],
    Others = lists:usort([text(Realm) || Realm <- maps:get(subscribe_to_realms, Environment, [])]) -- Home,
    case [Given#{realm => Realm} || Realm <- Home] ++ [Given#{realm => Realm, publish => false} || Realm <- Others] of
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
