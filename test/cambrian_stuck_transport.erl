%% A transport that never accepts a message.
-module(cambrian_stuck_transport).
-behaviour(cambrian_transport).

-export([connect/1, disconnect/1, address/1, publish/3, subscribe/2, unsubscribe/2, serve/3, call/5,
         announce/2, find/2, send/2,
         fetch/3, status/1]).

connect(_) -> {ok, stuck}.
disconnect(stuck) -> ok.
address(stuck) -> <<"nowhere">>.
publish(stuck, _, _) -> for_ever().
subscribe(stuck, _) -> ok.
unsubscribe(stuck, _) -> ok.
serve(stuck, _, _) -> ok.
call(stuck, _, _, _, _) -> for_ever().
announce(stuck, _) -> for_ever().
find(stuck, _) -> for_ever().
send(stuck, _) -> for_ever().
fetch(stuck, _, _) -> for_ever().
status(stuck) -> #{connected => false, peers => unknown}.

for_ever() -> receive after infinity -> ok end.
