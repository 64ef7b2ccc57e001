%% Defines the cases of cambrian_transport_contract:all/0 in a suite whose groups put their map
%% under `contract' in Config.
-define(CONTRACT(Case), Case(Config) ->
        cambrian_transport_contract:run(Case, proplists:get_value(contract, Config))).

?CONTRACT(bytes_arrive_unchanged).
?CONTRACT(a_node_does_not_hear_its_own_messages).
?CONTRACT(no_message_arrives_after_unsubscribing).
?CONTRACT(topics_are_apart).
?CONTRACT(realms_are_apart).
?CONTRACT(subscribing_twice_delivers_once).
?CONTRACT(two_connections_of_one_node_hear_each_other).
?CONTRACT(a_connection_ends_with_its_owner).
?CONTRACT(calls_are_answered).
?CONTRACT(a_handler_learns_the_address_of_its_caller).
?CONTRACT(a_busy_handler_is_an_error).
?CONTRACT(calling_an_unknown_procedure_is_an_error).
?CONTRACT(a_handler_that_crashes_is_an_error).
?CONTRACT(calls_time_out).
?CONTRACT(a_slow_handler_delays_no_other_call).
?CONTRACT(two_hundred_calls_get_their_own_answers).
?CONTRACT(at_most_fifty_handlers_run_at_once).
?CONTRACT(calling_a_missing_address_is_an_error).
?CONTRACT(announced_addresses_are_found).
?CONTRACT(blobs_of_any_size_can_be_fetched).
?CONTRACT(fetching_a_missing_blob_is_an_error).
?CONTRACT(a_changed_blob_is_not_accepted).
?CONTRACT(a_disconnected_client_hears_nothing).
?CONTRACT(the_loss_of_a_node_harms_no_other).
?CONTRACT(wrong_options_are_refused).
