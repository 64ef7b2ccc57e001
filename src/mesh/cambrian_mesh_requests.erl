%% @private
%% Genotypes that were announced and are worth asking for: who is asked next, for how many at once, and who else has them.
%%
%% Fair to origins, as {@link cambrian_quarantine} is. Who announces and does not deliver is not asked for a while, so that
%% it costs the others nothing; and some who said nothing are asked, as they may be silent only because it was said.
-module(cambrian_mesh_requests).

-export([new/0, add/3, start/2, take/2, find/2, retry/4, track/2, failed/3, served/2, has/2, is_avoided/3, without/2]).
-export_type([requests/0, request/0]).

%% `addresses' are of those who are said to hold it, the next to be asked first; `whole' is asked for after a difference
%% that did not fit; `line' is the one of {@link cambrian_quarantine} that it waits in, by default its origin.
%% Of an address: where, and which key is to live there.
-type address() :: {binary(), cambrian_identity:key()}.
-type request() :: #{id := cambrian_genotype:id(), task := binary(), claims := cambrian_envelope:read(), record := binary(),
                  addresses := [address()], whole := boolean(), atom() => term()}.

-record(requests, {waiting = cambrian_quarantine:new(#{origin => 4, all => 256}) :: cambrian_quarantine:quarantine(request()),
                asked = #{} :: #{Ref :: pos_integer() => request()},
                next = 1 :: pos_integer(),
                failures = cambrian_bounded_map:new(1000)
                    :: cambrian_bounded_map:bounded_map(cambrian_identity:key(), {Count :: pos_integer(), Until :: integer()})}).
-opaque requests() :: #requests{}.

-define(MAX_ASKED, 16).
%% Of all that have earned nothing: who never answers holds its place for as long as a call may take.
-define(MAX_ASKED_OF_FRESH, 8).
-define(MAX_ASKED_OF_SENDERS, 4).
-define(MAX_ASKED_OF_ORIGIN, 2).
-define(MAX_ADDRESSES, 4).
-define(MAX_OTHERS, 3).
%% So many promises in a row may be broken, by loss; then nothing is asked of the origin for so long, times the count.
-define(FORGIVEN, 3).
-define(AVOID_MS, 20_000).

-spec new() -> requests().
new() -> #requests{}.

-spec has(cambrian_genotype:id(), requests()) -> boolean().
has(Id, #requests{asked = Asked}) -> lists:any(fun(#{id := Other}) -> Other =:= Id end, maps:values(Asked)).

%% @doc One that is being asked for may be had from one more.
-spec add(request(), Now :: integer(), requests()) -> requests().
add(#{id := Id, addresses := [Address], claims := #{origin := Origin}} = Want, Now,
    #requests{asked = Asked, waiting = Waiting} = Requests) ->
    case [Ref || {Ref, #{id := Other}} <- maps:to_list(Asked), Other =:= Id] of
        [Ref | _] -> Requests#requests{asked = maps:update_with(Ref, fun(W) -> also(Address, W) end, Asked)};
        [] ->
            case is_avoided(Origin, Now, Requests) of
                true -> Requests;
                false ->
                    {_, Queued} = cambrian_quarantine:in(Origin, maps:get(line, Want, Origin), Want, 1, Waiting),
                    Requests#requests{waiting = Queued}
            end
    end.

also(Address, #{addresses := Addresses} = Want) ->
    case lists:member(Address, Addresses) orelse length(Addresses) >= ?MAX_ADDRESSES of
        true -> Want;
        false -> Want#{addresses := Addresses ++ [Address]}
    end.

%% @doc Whether it broke too many promises lately for its word to count.
-spec is_avoided(cambrian_identity:key(), Now :: integer(), requests()) -> boolean().
is_avoided(Origin, Now, #requests{failures = Failures}) ->
    case cambrian_bounded_map:find(Origin, Failures) of
        {ok, {_, Until}} -> Now < Until;
        error -> false
    end.

%% @doc Those to ask now. What cannot be asked now will be announced again.
-spec start(fun((request()) -> boolean()), requests()) -> {[{Ref :: pos_integer(), request()}], requests()}.
start(IsWanted, Requests) -> start(IsWanted, Requests, []).

start(_IsWanted, #requests{asked = Asked} = Requests, Started) when map_size(Asked) >= ?MAX_ASKED ->
    {lists:reverse(Started), Requests};
start(IsWanted, #requests{waiting = Waiting} = Requests, Started) ->
    case cambrian_quarantine:out(fun(Line) -> has_place(Line, Requests) end, Waiting) of
        empty -> {lists:reverse(Started), Requests};
        {#{id := Id, claims := #{origin := Origin}} = Want, Left} ->
            Rest = Requests#requests{waiting = Left},
            case asked_of(Origin, Rest) < ?MAX_ASKED_OF_ORIGIN andalso not has(Id, Rest) andalso IsWanted(Want) of
                true ->
                    {Ref, Next} = track(Want, Rest),
                    start(IsWanted, Next, [{Ref, Want} | Started]);
                false -> start(IsWanted, Rest, Started)
            end
    end.

has_place({fresh, Kind} = Line, #requests{asked = Asked}) ->
    Lines = [Of || #{line := {fresh, _} = Of} <- maps:values(Asked)],
    length(Lines) < ?MAX_ASKED_OF_FRESH
        andalso (Kind =:= node orelse length([Of || Of <- Lines, Of =:= Line]) < ?MAX_ASKED_OF_SENDERS);
has_place(_Line, _Wants) -> true.

asked_of(Origin, #requests{asked = Asked}) ->
    length([asked || #{claims := #{origin := Other}} <- maps:values(Asked), Other =:= Origin]).

%% @doc One more that is being asked for.
-spec track(request(), requests()) -> {Ref :: pos_integer(), requests()}.
track(Want, #requests{asked = Asked, next = Ref} = Requests) ->
    {Ref, Requests#requests{asked = Asked#{Ref => Want}, next = Ref + 1}}.

%% @doc What was asked for, which is over.
-spec take(Ref :: pos_integer(), requests()) -> {request(), requests()} | none.
take(Ref, #requests{asked = Asked} = Requests) ->
    case maps:take(Ref, Asked) of
        {Want, Left} -> {Want, Requests#requests{asked = Left}};
        error -> none
    end.

%% @doc What is still asked for.
-spec find(Ref :: pos_integer(), requests()) -> {ok, request()} | error.
find(Ref, #requests{asked = Asked}) -> maps:find(Ref, Asked).

%% @doc Of the next who is said to hold it, if there is one, and then once of `Others' who are there.
-spec retry(request(), Others :: [address()], Now :: integer(), requests()) ->
          {ok, Ref :: pos_integer(), request(), requests()} | {give_up, requests()}.
retry(#{addresses := [_ | [_ | _] = Next]} = Want, _Others, _Now, Requests) -> again(Want#{addresses := Next}, Requests);
retry(#{addresses := [Tried], claims := #{origin := Origin}} = Want, Others, Now, Requests) ->
    case lists:sublist(lists:delete(Tried, Others), ?MAX_OTHERS) of
        [_ | _] = Some when not is_map_key(elsewhere, Want) -> again(Want#{addresses := Some, elsewhere => true}, Requests);
        _ -> {give_up, failed(Origin, Now, Requests)}
    end.

again(Want, Requests) ->
    {Ref, Asked} = track(Want, Requests),
    {ok, Ref, Want, Asked}.

-spec failed(cambrian_identity:key(), Now :: integer(), requests()) -> requests().
failed(Origin, Now, #requests{failures = Failures} = Requests) ->
    {Count, _} = cambrian_bounded_map:get(Origin, Failures, {0, Now}),
    Wait = max(0, Count + 1 - ?FORGIVEN) * ?AVOID_MS,
    Requests#requests{failures = cambrian_bounded_map:put(Origin, {Count + 1, Now + Wait}, Failures)}.

%% @doc Nothing is asked for any more of which this is true; what is answered all the same is not wanted.
-spec without(fun((request()) -> boolean()), requests()) -> requests().
without(IsUnwanted, #requests{waiting = Waiting, asked = Asked} = Requests) ->
    {_, Left} = cambrian_quarantine:without(IsUnwanted, Waiting),
    Requests#requests{waiting = Left, asked = maps:filter(fun(_, Want) -> not IsUnwanted(Want) end, Asked)}.

-spec served(cambrian_identity:key(), requests()) -> requests().
served(Origin, #requests{failures = Failures} = Requests) ->
    case cambrian_bounded_map:find(Origin, Failures) of
        {ok, _} -> Requests#requests{failures = cambrian_bounded_map:remove(Origin, Failures)};
        error -> Requests
    end.
