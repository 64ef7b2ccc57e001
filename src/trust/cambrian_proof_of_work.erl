%% @private
%% A stamp shows that somebody spent work on a key, so that many keys are dear to make (hashcash: Back 2002). It is 8 bytes
%% for which the SHA-256 of the realm, the key and these bytes begins with so many zero bits: 2^bits tries to find, one to check.
-module(cambrian_proof_of_work).

-export([find/3, is_stamp/4]).

%% @doc The first that there is. A million tries take about a second.
-spec find(Bits :: 1..24, Realm :: binary(), cambrian_identity:key()) -> binary().
find(Bits, Realm, Key) -> from(0, Bits, crypto:hash_update(crypto:hash_init(sha256), about(Realm, Key))).

from(N, Bits, About) ->
    Stamp = <<N:64>>,
    case crypto:hash_final(crypto:hash_update(About, Stamp)) of
        <<0:Bits, _/bitstring>> -> Stamp;
        _ -> from(N + 1, Bits, About)
    end.

-spec is_stamp(Bytes :: term(), Bits :: 1..24, Realm :: binary(), cambrian_identity:key()) -> boolean().
is_stamp(<<Stamp:8/binary>>, Bits, Realm, Key) ->
    case crypto:hash(sha256, [about(Realm, Key), Stamp]) of
        <<0:Bits, _/bitstring>> -> true;
        _ -> false
    end;
is_stamp(_, _, _, _) -> false.

about(Realm, Key) -> [<<"cambrian stamp 1\n">>, <<(byte_size(Realm))>>, Realm, Key].
