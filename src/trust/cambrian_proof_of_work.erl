%% @private
%% A stamp proves work on a key, so that many keys are expensive (hashcash: Back 2002). It is 8
%% bytes for which the SHA-256 of the realm, the key and these bytes begins with `Bits' zero bits.
%% Finding one takes 2^Bits attempts, checking it takes one.
-module(cambrian_proof_of_work).

-export([find/3, is_stamp/4]).

%% @doc Finds the first valid stamp. A million attempts take about a second.
-spec find(Bits :: 1..24, Realm :: binary(), cambrian_identity:key()) -> binary().
find(Bits, Realm, Key) ->
    search(0, Bits, crypto:hash_update(crypto:hash_init(sha256), subject(Realm, Key))).

search(N, Bits, About) ->
    Stamp = <<N:64>>,
    case crypto:hash_final(crypto:hash_update(About, Stamp)) of
        <<0:Bits, _/bitstring>> -> Stamp;
        _ -> search(N + 1, Bits, About)
    end.

-spec is_stamp(Bytes :: term(), Bits :: 1..24, Realm :: binary(), cambrian_identity:key()) ->
          boolean().
is_stamp(<<Stamp:8/binary>>, Bits, Realm, Key) ->
    case crypto:hash(sha256, [subject(Realm, Key), Stamp]) of
        <<0:Bits, _/bitstring>> -> true;
        _ -> false
    end;
is_stamp(_, _, _, _) -> false.

subject(Realm, Key) -> [<<"cambrian stamp 1\n">>, <<(byte_size(Realm))>>, Realm, Key].
