%% Signed records of the fake Macula: the names in a payload have another type after the way over
%% the wire, and the signature is still valid.
-module(macula_record).
-export([envelope/4, sign/2, verify/1]).

envelope(Type, Public, Payload, #{ttl_ms := Ttl, subject_id := Subject}) when Type >= 16#20,
byte_size(Public) =:= 32 ->
    Now = erlang:system_time(millisecond),
    #{type => Type, key => Public, subject_id => Subject, payload => Payload, version => Now,
      expires_at => Now + Ttl}.

sign(Record, #{private := Private}) ->
    Record#{signature => crypto:sign(eddsa, none, canonical(Record), [Private, ed25519])}.

verify(#{signature := Signature, key := Public, expires_at := Until} = Record) ->
    case crypto:verify(eddsa, none, canonical(Record), Signature, [Public, ed25519]) of
        true ->
            case erlang:system_time(millisecond) < Until of
                true -> {ok, Record};
                false -> {error, expired}
            end;
        false -> {error, signature_invalid}
    end;
verify(_) -> {error, bad_record}.

canonical(#{type := Type, key := Public, subject_id := Subject, payload := Payload,
            version := Version, expires_at := Until}) ->
    term_to_binary({Type, Public, Subject, Version, Until,
                    lists:sort([{name(Name), Value} || {Name, Value} <- maps:to_list(Payload)])}).

name({text, Name}) -> Name;
name(Name) when is_atom(Name) -> atom_to_binary(Name);
name(Name) -> Name.
