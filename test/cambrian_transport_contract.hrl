%% The cases of cambrian_transport_contract:all/0, for a suite whose groups have their map as `contract'.
-define(CONTRACT(Case), Case(Config) -> cambrian_transport_contract:run(Case, proplists:get_value(contract, Config))).

?CONTRACT(bytes_arrive_as_they_were).
?CONTRACT(no_echo).
?CONTRACT(no_more_after_unsubscribing).
?CONTRACT(topics_are_apart).
?CONTRACT(realms_do_not_meet).
?CONTRACT(twice_is_once).
?CONTRACT(two_of_one_node).
?CONTRACT(an_owner_dies).
?CONTRACT(calls_are_answered).
?CONTRACT(who_calls).
?CONTRACT(a_busy_handler).
?CONTRACT(unknown_procedures).
?CONTRACT(handlers_that_crash).
?CONTRACT(calls_time_out).
?CONTRACT(slow_handlers_hold_up_nobody).
?CONTRACT(two_hundred_calls).
?CONTRACT(no_more_than_fifty).
?CONTRACT(nobody_is_called).
?CONTRACT(whom_to_find).
?CONTRACT(blobs).
?CONTRACT(blobs_that_nobody_has).
?CONTRACT(blobs_that_are_something_else).
?CONTRACT(goodbye).
?CONTRACT(a_node_is_gone).
?CONTRACT(wrong_options).
