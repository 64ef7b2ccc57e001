%% @private
%% Answers the calls of other nodes to an exchange: which key lives at this node; the genotype that
%% they request, as a difference if the difference is shorter; and in which cells their common
%% archive differs from this node's.
-module(cambrian_answers).

-export([asked/4, made/4]).
-export_type([reply/0]).

-import(cambrian_exchange_state, [rejected/2]).
-import(cambrian_holdings, [find/2, is_any_banned_by_user/3, lookup/1]).

-include("cambrian_exchange.hrl").

%% The reply to a caller. `busy': this caller, or all unknown callers together, call too often.
%% `make': another process must do the job ({@link cambrian_delivery:differences/1}), and then
%% {@link cambrian_exchange:made/4} returns the answer.
-type reply() :: {answer, binary()} | busy
               | {make, Target :: cambrian_genotype:id(), cambrian_delivery:job()}.

%% How many calls are answered per second: from one address at which a known key lives, and from all
%% other callers together.
-define(REQUESTS_OF_ONE, 20).
-define(REQUESTS_OF_STRANGERS, 500).
%% The memory of an entry besides its difference.
-define(ENTRY_BYTES, 64).

-spec asked(binary(), From :: cambrian_transport:caller(), Now :: integer(), #exchange{}) ->
          {reply(), #exchange{}}.
asked(Bytes, From, Now, X) ->
    case is_served(From, Now, X) of
        {true, Metered} -> reply(cambrian_message:read_request(Bytes), From, Now, Metered);
        {false, Metered} -> {busy, rejected(busy, Metered)}
    end.

is_served(unknown, Now, #exchange{meter = Meter} = X) ->
    {Served, Next} = cambrian_meter:take(strangers, ?REQUESTS_OF_STRANGERS, Now, Meter),
    {Served, X#exchange{meter = Next}};
is_served(From, Now, #exchange{addresses = Addresses, callers = Callers} = X) ->
    {Served, Next} = cambrian_meter:take(From, ?REQUESTS_OF_ONE, Now, Callers),
    case Served andalso not cambrian_addresses:is_proven(From, Addresses) of
        true -> is_served(unknown, Now, X#exchange{callers = Next});
        false -> {Served, X#exchange{callers = Next}}
    end.

reply({ok, {who, Nonce}}, _From, _Now, #exchange{options = Options} = X) ->
    #{realm := Realm, address := Address, identity := Identity} = Options,
    {{answer, cambrian_message:lives(Realm, Address, Nonce, Identity)}, X};
reply({ok, {compare, Question}}, From, Now, X) ->
    cambrian_commons:compared(Question, From, Now, X);
reply({ok, {Id, Bases}}, _From, Now, X) -> give(allowed(find(Id, X), Now, X), Bases, Now, X);
reply(_, _From, _Now, X) -> nothing(X).

%% An archive may have for a moment what is banned.
allowed({ok, Held}, Now, X) ->
    case is_any_banned_by_user(Held, Now, X) of
        {true, _} -> error;
        {false, _} -> {ok, Held}
    end;
allowed(error, _Now, _X) -> error.

nothing(X) -> {{answer, cambrian_message:answer(none)}, X}.

give(error, _Bases, _Now, X) -> nothing(X);
give({ok, #held{envelope = undefined, task = Name} = Held}, Bases, Now, X) ->
    case cambrian_publication:seal(Held, Now, X) of
        {ok, Sealed, Next} ->
            Offered = cambrian_publication:offer_blob(Sealed, Next),
            Kept = cambrian_publication:keep_envelope(Name, Sealed, Offered),
            give({ok, Sealed}, Bases, Now, Kept);
        {error, _} -> nothing(X)
    end;
give({ok, #held{id = Id, genotype = Genotype, envelope = Envelope} = Held}, Bases, _Now,
     #exchange{made = Made} = X) ->
    Offer = #{genotype => Genotype, envelope => Envelope, content => Held#held.content,
              signed => Held#held.signed},
    Here = [{Base, Known, cambrian_bounded_map:find({Id, Base}, Made)}
            || cambrian_delivery:is_compared(Envelope), Base <- lists:usort(Bases),
               {ok, Known} <- [(lookup(X))(Base)]],
    Kept = [{Base, Difference} || {Base, _, {ok, Difference}} <- Here],
    case [{Base, Known} || {Base, Known, error} <- Here] of
        [] -> {{answer, cambrian_message:answer(cambrian_delivery:give(Offer, Kept))}, X};
        Missing -> {{make, Id, #{offer => Offer, made => Kept, missing => Missing}}, X}
    end.

%% @doc The answer, with the differences that were made for it. They are kept for later callers.
-spec made(Target :: cambrian_genotype:id(), cambrian_delivery:job(),
           [cambrian_delivery:difference()], #exchange{}) -> {Answer :: binary(), #exchange{}}.
made(Target, #{offer := Offer, made := Kept}, Differences, #exchange{made = Made} = X) ->
    Keep = fun({Base, Difference}, All) ->
               Weight = ?ENTRY_BYTES + size_of(Difference),
               cambrian_bounded_map:put({Target, Base}, Difference, Weight, All)
           end,
    {cambrian_message:answer(cambrian_delivery:give(Offer, Kept ++ Differences)),
     X#exchange{made = lists:foldl(Keep, Made, Differences)}}.

size_of(none) -> 0;
size_of(Difference) -> byte_size(Difference).
