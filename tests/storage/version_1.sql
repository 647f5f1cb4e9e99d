-- A database of version 1, as its hinet-search made it (of the small study of small_study.py), without Optuna's tables.
-- PostgreSQL has SERIAL in place of INTEGER NOT NULL PRIMARY KEY.

CREATE TABLE hs_lease (
    study VARCHAR(64) NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    heartbeat FLOAT NOT NULL,
    PRIMARY KEY (study)
);

CREATE TABLE hs_opening (
    id INTEGER NOT NULL PRIMARY KEY,
    fingerprint VARCHAR(128) NOT NULL,
    study VARCHAR(64) NOT NULL,
    arm VARCHAR(256) NOT NULL,
    trial_number INTEGER NOT NULL,
    seeds_json TEXT NOT NULL,
    opened VARCHAR(32) NOT NULL
);
CREATE INDEX ix_hs_opening_fingerprint ON hs_opening (fingerprint);
INSERT INTO hs_opening (fingerprint, study, arm, trial_number, seeds_json, opened) VALUES ('abc123', 'small', 'hinet', 1, '[[1,2]]', '2026-11-25T16:33:05+00:00');

CREATE TABLE hs_schema (
    version INTEGER NOT NULL PRIMARY KEY
);
INSERT INTO hs_schema (version) VALUES (1);

CREATE TABLE hs_study (
    name VARCHAR(64) NOT NULL,
    state VARCHAR(16) NOT NULL,
    spec_json TEXT NOT NULL,
    study_yaml TEXT NOT NULL,
    command TEXT NOT NULL,
    description TEXT NOT NULL,
    objective TEXT NOT NULL,
    maximize BOOLEAN NOT NULL,
    reference TEXT NOT NULL,
    sampler TEXT NOT NULL,
    pruner TEXT NOT NULL,
    seed BIGINT NOT NULL,
    slots INTEGER NOT NULL,
    budget_json TEXT NOT NULL,
    data_json TEXT NOT NULL,
    versions_json TEXT NOT NULL,
    started VARCHAR(32) NOT NULL,
    updated VARCHAR(32) NOT NULL,
    seconds FLOAT NOT NULL,
    PRIMARY KEY (name)
);
INSERT INTO hs_study (name, state, spec_json, study_yaml, command, description, objective, maximize, reference, sampler, pruner, seed, slots, budget_json, data_json, versions_json, started, updated, seconds) VALUES ('small', 'done', '{}', 'name: small
', 'hinet-search launch small', 'two arms', 'mean_auc', TRUE, 'single', 'tpe', 'median', 1099511627776, 2, '[{"trials":5,"passes":2.0,"finalist_seeds":2,"finalist_top":1}]', '[{"source":"synthetic","fingerprint":"abc123","split":"column split","rows":[80,10,10],"scenarios":["home","feed"],"tasks":["click"],"num_categorical":2,"num_numeric":1,"cells":[{"scenario":"home","task":"click","rows":[40,5,5],"positives":[4,1,1],"reachable_auc":0.9}],"warnings":["feed is small"]}]', '[{"torch":"2.13"}]', '2026-01-02T03:04:05+00:00', '2026-11-25T16:33:05+00:00', 12.5);

CREATE TABLE hs_arm (
    study VARCHAR(64) NOT NULL,
    arm VARCHAR(256) NOT NULL,
    position INTEGER NOT NULL,
    model TEXT NOT NULL,
    ranges_json TEXT NOT NULL,
    fixed_json TEXT NOT NULL,
    importances_json TEXT NOT NULL,
    PRIMARY KEY (study, arm),
    FOREIGN KEY(study) REFERENCES hs_study (name) ON DELETE CASCADE
);
INSERT INTO hs_arm (study, arm, position, model, ranges_json, fixed_json, importances_json) VALUES ('small', 'hinet', 0, 'hinet', '[[{"name":"train.learning_rate","kind":"float","low":0.0003,"high":0.005,"log":true,"choices":[],"default":0.001}]]', '[{"train.epochs":3,"model.san":true}]', '[{"train.learning_rate":1.0}]');
INSERT INTO hs_arm (study, arm, position, model, ranges_json, fixed_json, importances_json) VALUES ('small', 'single', 1, 'single', '[[]]', '[{}]', '[{}]');

CREATE TABLE hs_evaluation (
    study VARCHAR(64) NOT NULL,
    arm VARCHAR(256) NOT NULL,
    number INTEGER NOT NULL,
    step INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    passes FLOAT,
    objective FLOAT,
    train_loss FLOAT,
    seconds FLOAT,
    cells_json TEXT NOT NULL,
    PRIMARY KEY (study, arm, number, step),
    FOREIGN KEY(study, arm) REFERENCES hs_arm (study, arm) ON DELETE CASCADE
);
INSERT INTO hs_evaluation (study, arm, number, step, attempt, passes, objective, train_loss, seconds, cells_json) VALUES ('small', 'hinet', 0, 1, 1, 0.25, 0.7, 0.5, 2.0, '[[{"scenario":"home","task":"click","rows":50,"positives":5,"auc":0.7,"logloss":0.3,"gauc":0.6,"calibration":1.1,"ece":0.02},{"scenario":"feed","task":"click","rows":9,"positives":0,"auc":null,"logloss":null,"reason":"one class"}]]');
INSERT INTO hs_evaluation (study, arm, number, step, attempt, passes, objective, train_loss, seconds, cells_json) VALUES ('small', 'hinet', 1, 1, 1, 0.25, 0.75, 0.5, 2.0, '[[{"scenario":"home","task":"click","rows":50,"positives":5,"auc":0.7,"logloss":0.3,"gauc":0.6,"calibration":1.1,"ece":0.02},{"scenario":"feed","task":"click","rows":9,"positives":0,"auc":null,"logloss":null,"reason":"one class"}]]');
INSERT INTO hs_evaluation (study, arm, number, step, attempt, passes, objective, train_loss, seconds, cells_json) VALUES ('small', 'hinet', 2, 1, 1, 0.25, 0.6, 0.5, 2.0, '[[{"scenario":"home","task":"click","rows":50,"positives":5,"auc":0.7,"logloss":0.3,"gauc":0.6,"calibration":1.1,"ece":0.02},{"scenario":"feed","task":"click","rows":9,"positives":0,"auc":null,"logloss":null,"reason":"one class"}]]');
INSERT INTO hs_evaluation (study, arm, number, step, attempt, passes, objective, train_loss, seconds, cells_json) VALUES ('small', 'single', 0, 1, 1, 0.25, 0.72, 0.5, 2.0, '[[{"scenario":"home","task":"click","rows":50,"positives":5,"auc":0.7,"logloss":0.3,"gauc":0.6,"calibration":1.1,"ece":0.02},{"scenario":"feed","task":"click","rows":9,"positives":0,"auc":null,"logloss":null,"reason":"one class"}]]');

CREATE TABLE hs_finalist (
    study VARCHAR(64) NOT NULL,
    arm VARCHAR(256) NOT NULL,
    trial_number INTEGER NOT NULL,
    seed BIGINT NOT NULL,
    is_default BOOLEAN NOT NULL,
    chosen BOOLEAN NOT NULL,
    parameters_json TEXT NOT NULL,
    valid_objective FLOAT,
    valid_cells_json TEXT NOT NULL,
    test_cells_json TEXT,
    evaluations_json TEXT NOT NULL,
    cost_json TEXT NOT NULL,
    insight_json TEXT NOT NULL,
    PRIMARY KEY (study, arm, trial_number, seed),
    FOREIGN KEY(study, arm) REFERENCES hs_arm (study, arm) ON DELETE CASCADE
);
INSERT INTO hs_finalist (study, arm, trial_number, seed, is_default, chosen, parameters_json, valid_objective, valid_cells_json, test_cells_json, evaluations_json, cost_json, insight_json) VALUES ('small', 'hinet', 0, 1, TRUE, FALSE, '[{"train.learning_rate":0.002}]', 0.71, '[[{"scenario":"home","task":"click","rows":50,"positives":5,"auc":0.7,"logloss":0.3,"gauc":0.6,"calibration":1.1,"ece":0.02},{"scenario":"feed","task":"click","rows":9,"positives":0,"auc":null,"logloss":null,"reason":"one class"}]]', NULL, '[[{"step":1,"passes":0.25,"objective":0.7,"train_loss":0.5,"seconds":2.0,"cells":[{"scenario":"home","task":"click","rows":50,"positives":5,"auc":0.7,"logloss":0.3,"gauc":0.6,"calibration":1.1,"ece":0.02},{"scenario":"feed","task":"click","rows":9,"positives":0,"auc":null,"logloss":null,"reason":"one class"}]},{"step":2,"passes":0.5,"objective":0.7,"train_loss":0.5,"seconds":2.0,"cells":[{"scenario":"home","task":"click","rows":50,"positives":5,"auc":0.7,"logloss":0.3,"gauc":0.6,"calibration":1.1,"ece":0.02},{"scenario":"feed","task":"click","rows":9,"positives":0,"auc":null,"logloss":null,"reason":"one class"}]}]]', '[{"parameters":1000,"dense_parameters":200,"flops_per_row":4000,"rows_per_second":100000.0,"seconds":1.5,"peak_memory_bytes":17179869184,"device":"cpu"}]', '[{"attention":[[0.5,0.5],[0.1,0.9]],"gates":[{"where":"home click","experts":["a","b"],"weights":[0.3,0.7]}]}]');
INSERT INTO hs_finalist (study, arm, trial_number, seed, is_default, chosen, parameters_json, valid_objective, valid_cells_json, test_cells_json, evaluations_json, cost_json, insight_json) VALUES ('small', 'hinet', 0, 2, TRUE, FALSE, '[{"train.learning_rate":0.002}]', 0.71, '[[{"scenario":"home","task":"click","rows":50,"positives":5,"auc":0.7,"logloss":0.3,"gauc":0.6,"calibration":1.1,"ece":0.02},{"scenario":"feed","task":"click","rows":9,"positives":0,"auc":null,"logloss":null,"reason":"one class"}]]', NULL, '[[{"step":1,"passes":0.25,"objective":0.7,"train_loss":0.5,"seconds":2.0,"cells":[{"scenario":"home","task":"click","rows":50,"positives":5,"auc":0.7,"logloss":0.3,"gauc":0.6,"calibration":1.1,"ece":0.02},{"scenario":"feed","task":"click","rows":9,"positives":0,"auc":null,"logloss":null,"reason":"one class"}]},{"step":2,"passes":0.5,"objective":0.7,"train_loss":0.5,"seconds":2.0,"cells":[{"scenario":"home","task":"click","rows":50,"positives":5,"auc":0.7,"logloss":0.3,"gauc":0.6,"calibration":1.1,"ece":0.02},{"scenario":"feed","task":"click","rows":9,"positives":0,"auc":null,"logloss":null,"reason":"one class"}]}]]', '[{"parameters":1000,"dense_parameters":200,"flops_per_row":4000,"rows_per_second":100000.0,"seconds":1.5,"peak_memory_bytes":17179869184,"device":"cpu"}]', '[{"attention":[[0.5,0.5],[0.1,0.9]],"gates":[{"where":"home click","experts":["a","b"],"weights":[0.3,0.7]}]}]');
INSERT INTO hs_finalist (study, arm, trial_number, seed, is_default, chosen, parameters_json, valid_objective, valid_cells_json, test_cells_json, evaluations_json, cost_json, insight_json) VALUES ('small', 'hinet', 1, 1, FALSE, TRUE, '[{"train.learning_rate":0.001}]', 0.71, '[[{"scenario":"home","task":"click","rows":50,"positives":5,"auc":0.7,"logloss":0.3,"gauc":0.6,"calibration":1.1,"ece":0.02},{"scenario":"feed","task":"click","rows":9,"positives":0,"auc":null,"logloss":null,"reason":"one class"}]]', '[[{"scenario":"home","task":"click","rows":50,"positives":5,"auc":0.69,"logloss":0.3,"gauc":0.6,"calibration":1.1,"ece":0.02},{"scenario":"feed","task":"click","rows":9,"positives":0,"auc":null,"logloss":null,"reason":"one class"}]]', '[[{"step":1,"passes":0.25,"objective":0.7,"train_loss":0.5,"seconds":2.0,"cells":[{"scenario":"home","task":"click","rows":50,"positives":5,"auc":0.7,"logloss":0.3,"gauc":0.6,"calibration":1.1,"ece":0.02},{"scenario":"feed","task":"click","rows":9,"positives":0,"auc":null,"logloss":null,"reason":"one class"}]},{"step":2,"passes":0.5,"objective":0.7,"train_loss":0.5,"seconds":2.0,"cells":[{"scenario":"home","task":"click","rows":50,"positives":5,"auc":0.7,"logloss":0.3,"gauc":0.6,"calibration":1.1,"ece":0.02},{"scenario":"feed","task":"click","rows":9,"positives":0,"auc":null,"logloss":null,"reason":"one class"}]}]]', '[{"parameters":1000,"dense_parameters":200,"flops_per_row":4000,"rows_per_second":100000.0,"seconds":1.5,"peak_memory_bytes":17179869184,"device":"cpu"}]', '[{"attention":[[0.5,0.5],[0.1,0.9]],"gates":[{"where":"home click","experts":["a","b"],"weights":[0.3,0.7]}]}]');
INSERT INTO hs_finalist (study, arm, trial_number, seed, is_default, chosen, parameters_json, valid_objective, valid_cells_json, test_cells_json, evaluations_json, cost_json, insight_json) VALUES ('small', 'hinet', 1, 2, FALSE, TRUE, '[{"train.learning_rate":0.001}]', 0.71, '[[{"scenario":"home","task":"click","rows":50,"positives":5,"auc":0.7,"logloss":0.3,"gauc":0.6,"calibration":1.1,"ece":0.02},{"scenario":"feed","task":"click","rows":9,"positives":0,"auc":null,"logloss":null,"reason":"one class"}]]', '[[{"scenario":"home","task":"click","rows":50,"positives":5,"auc":0.69,"logloss":0.3,"gauc":0.6,"calibration":1.1,"ece":0.02},{"scenario":"feed","task":"click","rows":9,"positives":0,"auc":null,"logloss":null,"reason":"one class"}]]', '[[{"step":1,"passes":0.25,"objective":0.7,"train_loss":0.5,"seconds":2.0,"cells":[{"scenario":"home","task":"click","rows":50,"positives":5,"auc":0.7,"logloss":0.3,"gauc":0.6,"calibration":1.1,"ece":0.02},{"scenario":"feed","task":"click","rows":9,"positives":0,"auc":null,"logloss":null,"reason":"one class"}]},{"step":2,"passes":0.5,"objective":0.7,"train_loss":0.5,"seconds":2.0,"cells":[{"scenario":"home","task":"click","rows":50,"positives":5,"auc":0.7,"logloss":0.3,"gauc":0.6,"calibration":1.1,"ece":0.02},{"scenario":"feed","task":"click","rows":9,"positives":0,"auc":null,"logloss":null,"reason":"one class"}]}]]', '[{"parameters":1000,"dense_parameters":200,"flops_per_row":4000,"rows_per_second":100000.0,"seconds":1.5,"peak_memory_bytes":17179869184,"device":"cpu"}]', '[{"attention":[[0.5,0.5],[0.1,0.9]],"gates":[{"where":"home click","experts":["a","b"],"weights":[0.3,0.7]}]}]');

CREATE TABLE hs_trial (
    study VARCHAR(64) NOT NULL,
    arm VARCHAR(256) NOT NULL,
    number INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    config_hash TEXT NOT NULL,
    is_default BOOLEAN NOT NULL,
    cause TEXT NOT NULL,
    cost_json TEXT,
    PRIMARY KEY (study, arm, number),
    FOREIGN KEY(study, arm) REFERENCES hs_arm (study, arm) ON DELETE CASCADE
);
INSERT INTO hs_trial (study, arm, number, attempt, config_hash, is_default, cause, cost_json) VALUES ('small', 'hinet', 0, 1, 'hash 0', TRUE, '', '[{"parameters":1000,"dense_parameters":200,"flops_per_row":4000,"rows_per_second":100000.0,"seconds":1.5,"peak_memory_bytes":17179869184,"device":"cpu"}]');
INSERT INTO hs_trial (study, arm, number, attempt, config_hash, is_default, cause, cost_json) VALUES ('small', 'hinet', 1, 1, 'hash 1', FALSE, '', '[{"parameters":1000,"dense_parameters":200,"flops_per_row":4000,"rows_per_second":100000.0,"seconds":1.5,"peak_memory_bytes":17179869184,"device":"cpu"}]');
INSERT INTO hs_trial (study, arm, number, attempt, config_hash, is_default, cause, cost_json) VALUES ('small', 'hinet', 2, 1, 'hash 2', FALSE, '', '[{"parameters":1000,"dense_parameters":200,"flops_per_row":4000,"rows_per_second":100000.0,"seconds":1.5,"peak_memory_bytes":17179869184,"device":"cpu"}]');
INSERT INTO hs_trial (study, arm, number, attempt, config_hash, is_default, cause, cost_json) VALUES ('small', 'hinet', 3, 1, 'hash 3', FALSE, 'duplicate of trial 1', NULL);
INSERT INTO hs_trial (study, arm, number, attempt, config_hash, is_default, cause, cost_json) VALUES ('small', 'hinet', 4, 1, 'hash 4', FALSE, 'diverged', NULL);
INSERT INTO hs_trial (study, arm, number, attempt, config_hash, is_default, cause, cost_json) VALUES ('small', 'single', 0, 1, 'hash 0', TRUE, '', '[{"parameters":1000,"dense_parameters":200,"flops_per_row":4000,"rows_per_second":100000.0,"seconds":1.5,"peak_memory_bytes":17179869184,"device":"cpu"}]');

CREATE INDEX hs_trial_params_by_name ON trial_params (param_name, trial_id);
