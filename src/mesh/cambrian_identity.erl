%% @doc Keys.
-module(cambrian_identity).
-export([new/0, public_key/1]).
-export_type([secret/0, key/0]).
-type secret() :: <<_:256>>.
-type key() :: <<_:256>>.
new() -> crypto:strong_rand_bytes(32).
public_key(Secret) -> cambrian_nif:identity_public_key(Secret).
