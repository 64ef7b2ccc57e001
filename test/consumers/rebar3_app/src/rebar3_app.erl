-module(rebar3_app).
-export([evolve/0]).

evolve() -> cambrian:evolve('xor').
