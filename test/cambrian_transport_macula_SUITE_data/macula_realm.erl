-module(macula_realm).
-export([id/1]).

id(Name) -> crypto:hash(sha256, Name).
