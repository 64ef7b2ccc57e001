%% @private
%% Makes the changes that the page offers: pauses or resumes a population, bans or unbans a key.
%%
%% It finds the population or the key by comparing texts: no text of a request becomes an atom.
-module(cambrian_dashboard_change).

-export([make/2, name/1]).

%% @doc Returns the name of a change in the audit.
-spec name(Path :: binary()) -> pause | resume | ban | unban.
name(<<"/pause">>) -> pause;
name(<<"/resume">>) -> resume;
name(<<"/ban">>) -> ban;
name(<<"/unban">>) -> unban.

-spec make(Path :: binary(), Fields :: #{binary() => binary()}) ->
          ok | {error, Status :: 400..499, Why :: binary()}.
make(<<"/pause">>, Fields) -> with_population(fun cambrian_population:pause/1, Fields);
make(<<"/resume">>, Fields) -> with_population(fun cambrian_population:resume/1, Fields);
make(<<"/ban">>, Fields) ->
    case cambrian_ban_subject:reason(maps:get(<<"reason">>, Fields, <<>>)) of
        {ok, Reason} ->
            with_key(fun(Realm, Key) -> cambrian_trust:ban(Realm, {key, Key}, Reason) end, Fields);
        error -> {error, 400, <<"the reason must be a text of at most 255 bytes">>}
    end;
make(<<"/unban">>, Fields) ->
    with_key(fun(Realm, Key) -> cambrian_trust:unban(Realm, {key, Key}) end, Fields);
make(_Path, _Fields) -> {error, 404, <<"there is nothing here">>}.

with_population(Do, #{<<"population">> := Wanted}) ->
    case [Pid || {Name, Pid} <- maps:to_list(cambrian_store:populations()),
                 cambrian_text:text(Name) =:= Wanted] of
        [Pid | _] -> Do(Pid);
        [] -> {error, 404, <<"there is no such population">>}
    end;
with_population(_Do, _Fields) -> {error, 400, <<"which population?">>}.

with_key(Do, #{<<"realm">> := Realm, <<"key">> := Hex}) ->
    try binary:decode_hex(Hex) of
        <<_:32/binary>> = Key -> answer(Do(realm(Realm), Key));
        _ -> {error, 400, <<"a key is 64 hexadecimal digits">>}
    catch error:badarg -> {error, 400, <<"a key is 64 hexadecimal digits">>}
    end;
with_key(_Do, _Fields) -> {error, 400, <<"which realm, and which key?">>}.

%% The page shows the text of a realm, which differs from its name if the name is not valid text.
realm(Text) ->
    Realms = [Realm || Realm <- cambrian_bridge:realms(), cambrian_text:text(Realm) =:= Text],
    hd(Realms ++ [Text]).

answer(ok) -> ok;
answer({error, {unknown_realm, _}}) -> {error, 404, <<"there is no such realm">>};
answer({error, too_many_bans}) -> {error, 409, <<"too many bans; unban some">>};
answer({error, {Closed, _}}) when Closed =:= realm_damaged; Closed =:= realm_unavailable ->
    {error, 409, <<"the realm is closed: nothing was changed">>};
answer({error, _}) ->
    {error, 409,
     <<"it holds, but could not be written to disk, and would not survive a restart">>}.
