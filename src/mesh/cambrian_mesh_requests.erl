%% @private
%% The announced genotypes that this node wants: which node it asks next, for how many at once, and
%% which other nodes hold them.
%%
%% The requests are fair to origins, as in {@link cambrian_fair_queue}. An origin that announces but
%% does not deliver is not asked for a while, so that its empty promises do not delay the others.
%% Then some nodes without an announcement are asked: they may be silent only because another node
%% announced first.
-module(cambrian_mesh_requests).

-export([new/0, add/3, start/2, take/2, find/2, retry/4, track/2, misled/3, failed/3, served/2,
         has/2, asked_of/2, is_avoided/3, without/2]).
-export_type([requests/0, request/0]).

%% The address to call, and the key that must live there.
-type address() :: {binary(), cambrian_identity:key()}.
%% What the announcer said of the genotype: an envelope's record, or an entry of its archive.
-type claims() :: #{realm := binary(), task := binary(), genotype := cambrian_genotype:id(),
                    origin := cambrian_identity:key(), fitness := float(),
                    generation := non_neg_integer(), atom() => term()}.
%% `addresses' are the addresses of the nodes that announced the genotype, the next one to ask
%% first. `whole' is true after a difference that did not fit. `line' is the line of {@link
%% cambrian_fair_queue} in which the request waits, by default the origin. `misled' are the keys
%% that answered with a wrong genotype.
-type request() :: #{id := cambrian_genotype:id(), task := binary(),
                     claims := claims(), record := binary(),
                     addresses := [address()], whole := boolean(), atom() => term()}.

-record(requests,
        {waiting = cambrian_fair_queue:new(#{origin => 4, all => 256})
             :: cambrian_fair_queue:fair_queue(request()),
         asked = #{} :: #{Ref :: pos_integer() => request()},
         next = 1 :: pos_integer(),
         failures = cambrian_bounded_map:new(1000)
             :: cambrian_bounded_map:bounded_map(cambrian_identity:key(),
                                                 {Count :: pos_integer(), Until :: integer()})}).
-opaque requests() :: #requests{}.

-define(MAX_ASKED, 16).
%% The most requests to all fresh keys together: a node that never answers blocks its request for as
%% long as a call may take.
-define(MAX_ASKED_OF_FRESH, 8).
-define(MAX_ASKED_OF_SENDERS, 4).
-define(MAX_ASKED_OF_ORIGIN, 2).
-define(MAX_ADDRESSES, 4).
-define(MAX_OTHERS, 3).
%% An origin may fail to deliver so many times in a row, because messages get lost. After that it is
%% avoided for this time, multiplied by the count.
-define(FORGIVEN, 3).
-define(AVOID_MS, 20_000).

-spec new() -> requests().
new() -> #requests{}.

%% @doc Whether this genotype is being requested.
-spec has(cambrian_genotype:id(), requests()) -> boolean().
has(Id, #requests{asked = Asked}) ->
    lists:any(fun(#{id := Other}) -> Other =:= Id end, maps:values(Asked)).

%% @doc Adds an announcement. If the genotype is being requested, the announcer is a further source.
-spec add(request(), Now :: integer(), requests()) -> requests().
add(#{id := Id, addresses := [Address | _]} = Request, Now, #requests{asked = Asked} = Requests) ->
    case [Ref || {Ref, #{id := Other}} <- maps:to_list(Asked), Other =:= Id] of
        [Ref | _] ->
            AddTo = fun(Same) -> add_address(Address, Same) end,
            Requests#requests{asked = maps:update_with(Ref, AddTo, Asked)};
        [] -> queue(Request, Now, Requests)
    end.

add_address(Address, #{addresses := Addresses} = Request) ->
    case lists:member(Address, Addresses) orelse length(Addresses) >= ?MAX_ADDRESSES of
        true -> Request;
        false -> Request#{addresses := Addresses ++ [Address]}
    end.

queue(#{claims := #{origin := Origin}} = Request, Now, #requests{waiting = Waiting} = Requests) ->
    case is_avoided(Origin, Now, Requests) of
        true -> Requests;
        false ->
            Line = maps:get(line, Request, Origin),
            {_, Queued} = cambrian_fair_queue:in(Origin, Line, Request, 1, Waiting),
            Requests#requests{waiting = Queued}
    end.

%% @doc Whether this origin recently failed to deliver too often.
-spec is_avoided(cambrian_identity:key(), Now :: integer(), requests()) -> boolean().
is_avoided(Origin, Now, #requests{failures = Failures}) ->
    case cambrian_bounded_map:find(Origin, Failures) of
        {ok, {_, Until}} -> Now < Until;
        error -> false
    end.

%% @doc The requests to start now. Dropped requests will be announced again.
-spec start(IsWanted :: fun((request()) -> boolean()), requests()) ->
          {[{Ref :: pos_integer(), request()}], requests()}.
start(IsWanted, Requests) -> start(IsWanted, Requests, []).

start(_IsWanted, #requests{asked = Asked} = Requests, Started)
  when map_size(Asked) >= ?MAX_ASKED ->
    {lists:reverse(Started), Requests};
start(IsWanted, #requests{waiting = Waiting} = Requests, Started) ->
    case cambrian_fair_queue:out(fun(Line) -> has_place(Line, Requests) end, Waiting) of
        empty -> {lists:reverse(Started), Requests};
        {Request, Left} ->
            Rest = Requests#requests{waiting = Left},
            case may_start(Request, Rest) andalso IsWanted(Request) of
                true ->
                    {Ref, Next} = track(Request, Rest),
                    start(IsWanted, Next, [{Ref, Request} | Started]);
                false -> start(IsWanted, Rest, Started)
            end
    end.

has_place({fresh, Kind} = Line, #requests{asked = Asked}) ->
    Lines = [Of || #{line := {fresh, _} = Of} <- maps:values(Asked)],
    length(Lines) < ?MAX_ASKED_OF_FRESH
        andalso (Kind =:= node
                 orelse length([Of || Of <- Lines, Of =:= Line]) < ?MAX_ASKED_OF_SENDERS);
has_place(_Line, _Requests) -> true.

may_start(#{id := Id, claims := #{origin := Origin}}, Requests) ->
    asked_of(Origin, Requests) < ?MAX_ASKED_OF_ORIGIN andalso not has(Id, Requests).

%% @doc How many genotypes that this origin announced are being asked for.
-spec asked_of(cambrian_identity:key(), requests()) -> non_neg_integer().
asked_of(Origin, #requests{asked = Asked}) ->
    length([asked || #{claims := #{origin := Other}} <- maps:values(Asked), Other =:= Origin]).

%% @doc A request runs from now on, under this reference.
-spec track(request(), requests()) -> {Ref :: pos_integer(), requests()}.
track(Request, #requests{asked = Asked, next = Ref} = Requests) ->
    {Ref, Requests#requests{asked = Asked#{Ref => Request}, next = Ref + 1}}.

%% @doc Ends a request.
-spec take(Ref :: pos_integer(), requests()) -> {request(), requests()} | none.
take(Ref, #requests{asked = Asked} = Requests) ->
    case maps:take(Ref, Asked) of
        {Request, Left} -> {Request, Requests#requests{asked = Left}};
        error -> none
    end.

%% @doc A running request.
-spec find(Ref :: pos_integer(), requests()) -> {ok, request()} | error.
find(Ref, #requests{asked = Asked}) -> maps:find(Ref, Asked).

%% @doc Asks the next announcer and then, once, some of the `Others' that are alive.
-spec retry(request(), Others :: [address()], Now :: integer(), requests()) ->
          {ok, Ref :: pos_integer(), request(), requests()} | {give_up, requests()}.
retry(#{addresses := [_ | [_ | _] = Next]} = Request, _Others, _Now, Requests) ->
    retry_at(Request#{addresses := Next}, Requests);
retry(#{addresses := [Tried], claims := #{origin := Origin}} = Request, Others, Now, Requests) ->
    case lists:sublist(lists:delete(Tried, Others), ?MAX_OTHERS) of
        [_ | _] = Some when not is_map_key(elsewhere, Request) ->
            retry_at(Request#{addresses := Some, elsewhere => true}, Requests);
        _ ->
            case lists:member(Origin, maps:get(misled, Request, [])) of
                true -> {give_up, Requests};
                false -> {give_up, failed(Origin, Now, Requests)}
            end
    end.

retry_at(Request, Requests) ->
    {Ref, Asked} = track(Request, Requests),
    {ok, Ref, Request, Asked}.

%% @doc The asked node answered with a wrong genotype. That counts against its key, even if another
%% node delivers.
-spec misled(request(), Now :: integer(), requests()) -> {request(), requests()}.
misled(#{addresses := [{_, Key} | _]} = Request, Now, Requests) ->
    Misled = maps:get(misled, Request, []),
    {Request#{misled => [Key | Misled]}, failed(Key, Now, Requests)}.

%% @doc An origin did not deliver.
-spec failed(cambrian_identity:key(), Now :: integer(), requests()) -> requests().
failed(Origin, Now, #requests{failures = Failures} = Requests) ->
    {Count, _} = cambrian_bounded_map:get(Origin, Failures, {0, Now}),
    Wait = max(0, Count + 1 - ?FORGIVEN) * ?AVOID_MS,
    Failed = cambrian_bounded_map:put(Origin, {Count + 1, Now + Wait}, Failures),
    Requests#requests{failures = Failed}.

%% @doc Drops all requests for which the fun returns true, and ignores answers to them.
-spec without(IsUnwanted :: fun((request()) -> boolean()), requests()) -> requests().
without(IsUnwanted, #requests{waiting = Waiting, asked = Asked} = Requests) ->
    {_, Left} = cambrian_fair_queue:without(IsUnwanted, Waiting),
    Wanted = maps:filter(fun(_, Request) -> not IsUnwanted(Request) end, Asked),
    Requests#requests{waiting = Left, asked = Wanted}.

%% @doc A key delivered: forgets its failures.
-spec served(cambrian_identity:key(), requests()) -> requests().
served(Origin, #requests{failures = Failures} = Requests) ->
    case cambrian_bounded_map:find(Origin, Failures) of
        {ok, _} -> Requests#requests{failures = cambrian_bounded_map:remove(Origin, Failures)};
        error -> Requests
    end.
