%% @private Holds the sessions of browsers that logged in with the token. It is a value. A browser
%% keeps a cookie of 32 random bytes; this value has only its hash.
%%
%% A session belongs to one origin: scheme, host and port. Browsers send cookies to every port of a
%% host, so the port is part of the name of the cookie. The cookie alone allows no change: the page
%% must also send a second secret, the key, which the browser keeps for this origin alone.
-module(cambrian_dashboard_sessions).

-export([new/0, open/4, find/4, may_change/3, is_open/2, close/2, close_all/1, expire/3,
         cookie/2, cookies/2]).
-export_type([sessions/0, id/0, origin/0]).

-type origin() :: {http | https, HostAndPort :: binary()}.
%% The name of a session in the audit.
-type id() :: binary().
-type session() :: #{origin := origin(), key := Hash :: binary(),
                     opened := Ms :: integer(), used := Ms :: integer()}.
-opaque sessions() :: #{Hash :: binary() => session()}.

-define(MAX, 64).
-define(IDLE_MS, 3_600_000).
-define(LONGEST_MS, 43_200_000).

-spec new() -> sessions().
new() -> #{}.

%% @doc Opens a session with two secrets that nobody can guess. If there are too many sessions, the
%% one that was unused for the longest time ends: `Ended' has its id.
-spec open({Cookie :: binary(), Key :: binary()}, origin(), Now :: integer(), sessions()) ->
          {id(), Ended :: [id()], sessions()}.
open({Cookie, Key}, Origin, Now, Sessions) ->
    Session = #{origin => Origin, key => hash(Key), opened => Now, used => Now},
    {Ended, Kept} = make_place(Sessions),
    {id(hash(Cookie)), Ended, Kept#{hash(Cookie) => Session}}.

make_place(Sessions) when map_size(Sessions) < ?MAX -> {[], Sessions};
make_place(Sessions) ->
    {_, Oldest} = lists:min([{Used, Hash} || {Hash, #{used := Used}} <- maps:to_list(Sessions)]),
    {[id(Oldest)], maps:remove(Oldest, Sessions)}.

%% @doc Finds the session of the first cookie that has one for this origin, and marks it as used.
-spec find(Cookies :: [binary()], origin(), Now :: integer(), sessions()) ->
          {ok, id(), sessions()} | none.
find([Cookie | More], Origin, Now, Sessions) ->
    Hash = hash(Cookie),
    case Sessions of
        #{Hash := #{origin := Origin} = Session} ->
            case is_over(Session, Now) of
                true -> find(More, Origin, Now, Sessions);
                false -> {ok, id(Hash), Sessions#{Hash := Session#{used := Now}}}
            end;
        _ -> find(More, Origin, Now, Sessions)
    end;
find([], _Origin, _Now, _Sessions) -> none.

%% @doc Tells whether this is the key of the session.
-spec may_change(id(), Key :: binary(), sessions()) -> boolean().
may_change(Id, Key, Sessions) ->
    case [Hash || {Of, #{key := Hash}} <- maps:to_list(Sessions), id(Of) =:= Id] of
        [Hash] -> crypto:hash_equals(Hash, hash(Key));
        _ -> false
    end.

-spec is_open(id(), sessions()) -> boolean().
is_open(Id, Sessions) -> lists:any(fun(Hash) -> id(Hash) =:= Id end, maps:keys(Sessions)).

-spec close(id(), sessions()) -> sessions().
close(Id, Sessions) -> maps:filter(fun(Hash, _) -> id(Hash) =/= Id end, Sessions).

-spec close_all(sessions()) -> {[id()], sessions()}.
close_all(Sessions) -> {[id(Hash) || Hash <- maps:keys(Sessions)], #{}}.

%% @doc Removes the sessions that are over. Sessions `InUse' have an open page, so they are not
%% idle.
-spec expire(InUse :: [id()], Now :: integer(), sessions()) -> {Ended :: [id()], sessions()}.
expire(InUse, Now, Sessions) ->
    Used = maps:map(fun(Hash, Session) ->
                        case lists:member(id(Hash), InUse) of
                            true -> Session#{used := Now};
                            false -> Session
                        end
                    end, Sessions),
    Over = maps:filter(fun(_, Session) -> is_over(Session, Now) end, Used),
    {[id(Hash) || Hash <- maps:keys(Over)], maps:without(maps:keys(Over), Used)}.

is_over(#{opened := Opened, used := Used}, Now) ->
    Now - Used >= ?IDLE_MS orelse Now - Opened >= ?LONGEST_MS.

hash(Secret) -> crypto:hash(sha256, Secret).

id(Hash) -> cambrian_text:hex(binary:part(Hash, 0, 8)).

%%% ---- cookies ----------------------------------------------------------------------------

%% @doc Makes the header that sets the cookie; an empty secret removes it. With TLS its name begins
%% with `__Host-': no other host and no page without TLS can set or see such a cookie.
-spec cookie(Secret :: binary(), origin()) -> iodata().
cookie(Secret, {Scheme, _} = Origin) ->
    Age = case Secret of <<>> -> 0; _ -> ?LONGEST_MS div 1000 end,
    [name(Origin), $=, Secret, "; Path=/; HttpOnly; SameSite=Strict; Max-Age=",
     integer_to_list(Age), ["; Secure" || Scheme =:= https]].

%% @doc Returns all cookies with our name. There may be several, because another port of this host
%% can set one too.
-spec cookies(Lines :: [binary()], origin()) -> [binary()].
cookies(Lines, Origin) ->
    Name = iolist_to_binary([name(Origin), $=]),
    Pairs = [string:trim(Pair) || Line <- Lines, Pair <- binary:split(Line, <<";">>, [global])],
    [Value || Pair <- Pairs, Value <- [string:prefix(Pair, Name)], Value =/= nomatch].

name({Scheme, Host}) ->
    Port = case re:run(Host, ":([0-9]{1,5})$", [{capture, all_but_first, binary}]) of
               {match, [Digits]} -> [$_, Digits];
               nomatch -> ""
           end,
    [case Scheme of https -> "__Host-"; http -> "" end, "cambrian", Port].
