%% Genotypes in the bytes of schema 2, and envelopes around any bytes, as docs/wire-format.md
%% describes them.
-module(cambrian_earlier).
-export([schema_2/1, envelope/3, zeros/3]).

%% Only for a small genotype.
-spec schema_2(cambrian_genotype:genotype()) -> binary().
schema_2(Genotype) ->
    {ok, [3, Inputs, Outputs, Ids, Layers, Genes, Froms, Tos, Weights, Enabled]} =
        cambrian_msgpack:decode(cambrian_genotype:to_binary(Genotype)),
    Flags = case Enabled of
                <<>> ->
                    Count = byte_size(Froms),
                    <<(1 bsl Count - 1):(8 * ((Count + 7) div 8))/little>>;
                _ -> Enabled
            end,
    pack([2, Inputs, Outputs, Ids, Layers] ++ Genes ++
             [binary_to_list(Froms), binary_to_list(Tos), Weights, Flags]).

%% An envelope that this secret signed. The payload is the bytes, stored in a zstd frame.
-spec envelope(Bytes :: binary(), map(), Secret :: binary()) -> binary().
envelope(Bytes, Claims, Secret) ->
    sealed(crypto:hash(sha256, Bytes), stored(Bytes), Claims, Secret).

%% An envelope whose payload is so many blocks of 128 KiB of zeros, each packed in 4 bytes.
-spec zeros(pos_integer(), map(), Secret :: binary()) -> binary().
zeros(Runs, Claims, Secret) ->
    Size = Runs * 131_072,
    Blocks = [<<(Last bor (1 bsl 1) bor (131_072 bsl 3)):24/little, 0>>
              || Run <- lists:seq(1, Runs), Last <- [case Run of Runs -> 1; _ -> 0 end]],
    Payload = iolist_to_binary([<<16#28, 16#B5, 16#2F, 16#FD, 16#A0, Size:32/little>>, Blocks]),
    sealed(crypto:hash(sha256, <<0:(8 * Size)>>), Payload, Claims, Secret).

sealed(Id, Payload, Claims, Secret) ->
    #{realm := Realm, task := Task, fitness := Fitness, sequence := Sequence, time := Time} =
        Claims,
    Body =
        pack([2, {text, <<"genotype">>}, {text, Realm}, {text, Task}, Id, nil,
              crypto:hash(sha256, Payload),
              Fitness, 0, [], [], cambrian_identity:public_key(Secret), nil, Sequence, Time]),
    Signature = crypto:sign(eddsa, none, ["cambrian envelope 2\n", Body], [Secret, ed25519]),
    pack([Body, Signature, Payload]).

%% A zstd frame of one block that is not compressed.
stored(Bytes) when byte_size(Bytes) < 100_000 ->
    Size = byte_size(Bytes),
    <<16#28, 16#B5, 16#2F, 16#FD, 16#A0, Size:32/little, (1 bor (Size bsl 3)):24/little,
      Bytes/binary>>.

pack(Term) -> iolist_to_binary(cambrian_msgpack:encode(Term)).
