%% @private
%% Requests the genotypes that other nodes announced: from a node that holds the genotype, once that
%% node has shown that it lives at its address; if it does not deliver, from other nodes.
-module(cambrian_retrieval).

-export([want/3, address_known/3, answered/4]).

-import(cambrian_exchange_state, [ask/3, effect/2, note/5, option/2]).
-import(cambrian_holdings, [bases/2, knowledge/4, lookup/1, put_knowledge/4, weight/1]).
-import(cambrian_allowances, [account/3, is_source/3, line/3, may_work_on/5, may_work_on/6]).

-include("cambrian_exchange.hrl").

%% How many requests per second go to other nodes after an origin did not deliver.
-define(ELSEWHERE, #{earned => 50, known => 10, fresh => 5}).
%% How much is opened per second, in units of so many bytes: of keys that have earned their place,
%% of other known keys, and of all other keys together. A unit takes up to 0.3 ms.
-define(OPENED, #{earned => 600, known => 300, fresh => 150}).
-define(WEIGHED, 4096).
%% Unpacked bytes cost less to open than packed bytes: so many of them count as one unit.
-define(UNPACKED, 16_384).
%% A node or a connection of a base counts as so many bytes.
-define(GENE_BYTES, 8).

%%% ---- asking -----------------------------------------------------------------------------

%% @doc Asks for an announced genotype, if the topology takes newcomers of its origin.
-spec want(cambrian_mesh_requests:request(), Now :: integer(), #exchange{}) -> #exchange{}.
want(#{claims := #{origin := Origin}} = Request, Now, Before) ->
    case is_source(Origin, Now, Before) of
        {true, X} ->
            {Account, #exchange{requests = Requests} = Asked} = account(Origin, Now, X),
            Waits = Request#{line => line(Account, Origin, Asked)},
            Added = cambrian_mesh_requests:add(Waits, Now, Requests),
            ask_for_more(Now, Asked#exchange{requests = Added});
        {false, X} -> X
    end.

%% Starts as many requests as may run at once.
ask_for_more(Now, #exchange{requests = Requests} = X) ->
    IsUnknown = fun(#{task := Name, id := Id}) -> is_unknown(Name, Id, Now, X) end,
    {Started, Next} = cambrian_mesh_requests:start(IsUnknown, Requests),
    AskFor = fun({Ref, Request}, Y) -> ask_for(Ref, Request, Now, Y) end,
    lists:foldl(AskFor, X#exchange{requests = Next}, Started).

%% Whether a genotype is not held, does not wait and was not measured.
is_unknown(Name, Id, Now, #exchange{tasks = Tasks} = X) ->
    knowledge(Name, Id, Now, X) =:= error andalso
        case Tasks of
            #{Name := #task{offered = Offered}} -> not is_map_key(Id, Offered);
            _ -> true
        end.

%% Asks a key only at an address where it lives.
ask_for(Ref, #{addresses := [{Address, Key} | _]} = Request, Now, X) ->
    #exchange{addresses = Addresses} = X,
    case cambrian_addresses:claim(Address, Key, Now, Addresses) of
        proven -> send_request(Ref, Request, Now, X);
        asking -> X#exchange{addresses = cambrian_addresses:await(Address, Ref, Addresses)};
        unasked ->
            case cambrian_presence:ask_who_lives_at(Address, Key, [Ref], Now, X) of
                {asked, Next} -> Next;
                {metered, Next} -> not_asked(Ref, metered, Now, Next)
            end;
        refused -> not_asked(Ref, false_address, Now, X)
    end.

send_request(Ref, #{id := Id, task := Name, addresses := [{Address, _} | _], whole := Whole}, Now,
             X) ->
    Bases = case Whole of true -> []; false -> bases(Name, X) end,
    Noted = note(Id, asked, #{address => Address}, Now, X),
    effect({ask, Ref, Address, cambrian_message:request(Id, Bases)}, Noted).

not_asked(Ref, Reason, Now, #exchange{requests = Requests} = X) ->
    case cambrian_mesh_requests:take(Ref, Requests) of
        {Request, Left} -> not_delivered(Reason, Request, Now, X#exchange{requests = Left});
        none -> X
    end.

%% @doc The key of an address is known: continues the requests that waited for it.
-spec address_known(Waiting :: [pos_integer()], Now :: integer(), #exchange{}) -> #exchange{}.
address_known(Waiting, Now, X) ->
    ask_for_more(Now, lists:foldl(fun(Ref, Y) -> resume(Ref, Now, Y) end, X, Waiting)).

resume(Ref, Now, #exchange{requests = Requests} = X) ->
    case cambrian_mesh_requests:find(Ref, Requests) of
        {ok, Request} -> ask_for(Ref, Request, Now, X);
        error -> X
    end.

%%% ---- deliveries -------------------------------------------------------------------------

%% @doc Handles the answer to an `ask' or a `fetch', or its absence.
-spec answered(Ref :: pos_integer(), {ok, binary()} | {error, term()}, Now :: integer(),
               #exchange{}) -> #exchange{}.
answered(Ref, Result, Now, #exchange{requests = Requests} = X) ->
    case cambrian_mesh_requests:take(Ref, Requests) of
        {Request, Left} ->
            ask_for_more(Now, delivered(Result, Request, Now, X#exchange{requests = Left}));
        none -> X
    end.

delivered({ok, Bytes}, Request, Now, X) ->
    Answer = case Request of
                 #{fetched := Breeder} -> {ok, {blob, Bytes, Breeder}};
                 _ -> cambrian_message:read_answer(Bytes)
             end,
    opened(Answer, byte_size(Bytes), Request, Now, X);
delivered({error, Reason}, Request, Now, X) -> not_delivered(Reason, Request, Now, X).

opened({error, Reason}, _Size, Request, Now, X) -> misled(Reason, Request, Now, X);
opened({ok, Answer}, Size, #{addresses := [{_, Key} | _]} = Request, Now, X) ->
    Weight = 1 + (Size + base_size(Answer, X)) div ?WEIGHED + unpacked_size(Answer) div ?UNPACKED,
    case may_work_on(opened, ?OPENED, Weight, Key, Now, X) of
        {true, Next} -> open(Answer, Size, Request, Now, Next);
        %% the nodes that announced the genotype will announce it again
        {false, Next} -> note_failure(metered, Request, Now, Next)
    end.

unpacked_size({What, Bytes, _}) when What =:= whole; What =:= blob ->
    case cambrian_envelope:read(Bytes) of
        {ok, Envelope, _} -> cambrian_envelope:unpacked_size(Envelope);
        {error, _} -> 0
    end;
unpacked_size(_) -> 0.

base_size({difference, Base, _, _}, X) ->
    case (lookup(X))(Base) of
        {ok, Genotype} -> ?GENE_BYTES * weight(Genotype);
        error -> 0
    end;
base_size(_, _X) -> 0.

open(Answer, Size, #{whole := Whole} = Request, Now, #exchange{requests = Requests} = X) ->
    case cambrian_delivery:open(Answer, Request, lookup(X), option(once, X)) of
        {ok, Genotype, Id, By, Record} ->
            received({Id, Genotype}, {By, Record}, Size, Request, Now, X);
        {blob, Content, Breeder} ->
            {Ref, Next} = cambrian_mesh_requests:track(Request#{fetched => Breeder}, Requests),
            effect({fetch, Ref, Content}, X#exchange{requests = Next});
        %% a signature over bytes that are not the claimed genotype is a lie to any receiver
        {rubbish, Reason, Claims} ->
            {_, Counted} = ask({rubbish, Reason, Claims}, Now, X),
            misled(Reason, Request, Now, Counted);
        %% asks the same node for the whole genotype, once, before it asks another node
        {error, _} when element(1, Answer) =:= difference, not Whole ->
            #{addresses := [Address | _] = Addresses} = Request,
            SameFirst = Request#{addresses := [Address | Addresses]},
            not_delivered(wrong_difference, SameFirst, Now, X);
        {error, not_there} -> not_delivered(not_there, Request, Now, X);
        {error, Reason} -> misled(Reason, Request, Now, X)
    end.

%% The answer is not the requested genotype.
misled(Reason, Request, Now, #exchange{requests = Requests} = X) ->
    {Noted, Counted} = cambrian_mesh_requests:misled(Request, Now, Requests),
    not_delivered(Reason, Noted, Now, X#exchange{requests = Counted}).

received({Id, Genotype}, {By, Record}, Size, #{id := Asked} = Request, Now, Before) ->
    #{addresses := [{Address, Key} | _], task := Name, claims := Announced} = Request,
    Claims = Announced#{genotype := Id},
    X = case Asked of
            Id -> Before;
            %% the bytes have an earlier schema; this node must not request them again
            _ -> put_knowledge(Name, Asked, {same_as, Id}, Before)
        end,
    #{origin := Origin} = Claims,
    Served = cambrian_mesh_requests:served(Key, X#exchange.requests),
    Next = effect({lineage, Id, Record}, X#exchange{requests = Served}),
    Details = #{origin => Origin, breeder => By, address => Address, bytes => Size},
    Noted = note(Id, received, Details, Now, Next),
    cambrian_offers:arrived(Genotype, Claims, By, Record, Now, Noted).

%% Asks the next node that holds the genotype, and then some nodes that may hold it. If none
%% delivers, the nodes that hold it will announce it again.
not_delivered(Reason, Request, Now, X) ->
    Noted = note_failure(Reason, Request, Now, X),
    {Others, #exchange{requests = Requests} = Drawn} = elsewhere(Request, Now, Noted),
    Whole = maps:without([fetched], Request#{whole := true}),
    case cambrian_mesh_requests:retry(Whole, Others, Now, Requests) of
        {ok, Ref, Next, Asked} -> ask_for(Ref, Next, Now, Drawn#exchange{requests = Asked});
        {give_up, Rest} -> Drawn#exchange{requests = Rest}
    end.

note_failure(Reason, #{id := Id, addresses := [{Address, _} | _]}, Now, X) ->
    Details = #{reason => cambrian_realm:kind(Reason), address => Address},
    note(Id, not_delivered, Details, Now, X).

%% Other nodes to ask. An attacker can announce a genotype that no node holds, so that all nodes are
%% asked for it. So for all fresh keys together, other nodes are asked only a few times a second.
elsewhere(#{addresses := [_, _ | _]}, _Now, X) -> {[], X};
elsewhere(#{elsewhere := true}, _Now, X) -> {[], X};
elsewhere(#{claims := #{origin := Origin}}, Now, X) ->
    case may_work_on(elsewhere, ?ELSEWHERE, Origin, Now, X) of
        {true, Next} -> shuffled_addresses(Now, Next);
        {false, Next} -> {[], Next}
    end.

%% Leaves out nodes with a recent wrong answer.
shuffled_addresses(Now, #exchange{members = Members, requests = Requests, rand = Rand} = X) ->
    Draw = fun(Address, R) ->
               {Number, Drawn} = rand:uniform_s(R),
               {{Number, Address}, Drawn}
           end,
    Others = [Address || {_, Key} = Address <- cambrian_members:addresses(Now, Members),
                         not cambrian_mesh_requests:is_avoided(Key, Now, Requests)],
    {Numbered, Next} = lists:mapfoldl(Draw, Rand, Others),
    {[Address || {_, Address} <- lists:sort(Numbered)], X#exchange{rand = Next}}.
