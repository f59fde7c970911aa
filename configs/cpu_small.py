anomaly = dict(
    enabled=False,
    features='efficientnet_lite0',
    image_size=256,
    layers=[
        10,
        12,
    ],
    memory=2000,
    method='auto',
    overkill=0.01,
    regions=True)
channels_last = True
custom_hooks = [
    dict(seed=42, type='anomdet.IterationSeedHook'),
    dict(type='anomdet.ChangedFilesHook'),
    dict(type='anomdet.ScalarsHook'),
    dict(
        ema_type='ExpMomentumEMA',
        gamma=50,
        momentum=0.005,
        type='anomdet.AverageHook',
        update_buffers=True),
    dict(
        min_delta=0.0,
        monitor='mAP',
        nan_limit=3,
        patience=5,
        type='anomdet.EarlyStopping',
        warmup_epochs=0),
    dict(images=8, interval=None, split='val', type='anomdet.VisualizeHook'),
]
custom_imports = dict(
    allow_failed_imports=False, imports=[
        'anomdet.registry',
    ])
default_hooks = dict(
    checkpoint=dict(
        monitor='mAP', out_dir='checkpoints', type='anomdet.BestAndLastHook'),
    logger=dict(monitor='mAP', type='anomdet.ProgressHook'),
    param_scheduler=dict(type='ParamSchedulerHook'),
    runtime_info=dict(type='RuntimeInfoHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    timer=dict(type='IterTimerHook'))
default_scope = 'mmdet'
distributed = dict(
    backend='auto',
    find_unused_parameters=False,
    gradient_compression='none',
    static_graph=False,
    sync_bn=True,
    timeout_minutes=10.0)
env_cfg = dict(
    cudnn_benchmark=False,
    dist_cfg=dict(backend='nccl'),
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0))
evaluation = dict(
    batch_size=None, confidence=0.95, report=True, resamples=1000, review=None)
load_from = None
log_level = 'INFO'
minutes = None
model = dict(
    backbone=dict(
        frozen_blocks=5,
        out_blocks=[
            4,
            10,
        ],
        pretrained=True,
        type='anomdet.EfficientNetLite0'),
    bbox_head=dict(
        act_cfg=dict(inplace=True, type='SiLU'),
        anchor_generator=dict(
            offset=0, strides=[
                8,
                16,
            ], type='MlvlPointGenerator'),
        bbox_coder=dict(type='DistancePointBBoxCoder'),
        exp_on_reg=False,
        feat_channels=64,
        in_channels=64,
        loss_bbox=dict(loss_weight=2.0, type='GIoULoss'),
        loss_cls=dict(
            beta=2.0,
            loss_weight=1.0,
            type='QualityFocalLoss',
            use_sigmoid=True),
        norm_cfg=dict(type='BN'),
        num_classes=None,
        pred_kernel_size=1,
        share_conv=False,
        stacked_convs=2,
        start_strides=2.5,
        type='anomdet.QuickStartRTMDetHead',
        use_depthwise=True,
        with_objectness=False),
    data_preprocessor=dict(
        bgr_to_rgb=True,
        mean=[
            123.675,
            116.28,
            103.53,
        ],
        pad_size_divisor=32,
        std=[
            58.395,
            57.12,
            57.375,
        ],
        type='DetDataPreprocessor'),
    neck=dict(
        in_channels=[
            40,
            112,
        ], num_outs=2, out_channels=64, type='FPN'),
    test_cfg=dict(
        max_per_img=100,
        min_bbox_size=0,
        nms=dict(iou_threshold=0.65, type='nms'),
        nms_pre=30000,
        score_thr=0.001),
    train_cfg=dict(
        allowed_border=-1,
        assigner=dict(
            min_positives=4, topk=13, type='anomdet.QuickStartAssigner'),
        debug=False,
        pos_weight=-1),
    type='RTMDet',
    use_syncbn=False)
optim_wrapper = dict(
    accumulative_counts=1,
    clip_grad=dict(max_norm=35.0, norm_type=2),
    constructor='anomdet.TwoGroups',
    dtype='auto',
    optimizer=dict(lr=0.002, type='AdamW', weight_decay=0.05),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.25))),
    type='anomdet.MixedPrecision')
param_scheduler = [
    dict(
        T_0=10,
        T_mult=1,
        convert_to_iter_based=True,
        eta_min=2e-05,
        gamma=0.1,
        max_epochs=20,
        name='cosine_annealing',
        step_size=3,
        type='anomdet.IterationSchedule',
        warmup_iterations=50,
        warmup_start=0.01),
]
randomness = dict(deterministic=False, seed=42)
report = dict(title=None)
resume = False
runner_type = 'anomdet.InspectionRunner'
scale_lr = None
test_cfg = dict(type='anomdet.InspectionTestLoop')
test_dataloader = dict(
    batch_size=8,
    dataset=dict(
        classes=None,
        data_root='data/',
        max_image_megapixels=100.0,
        missing_labels='error',
        pipeline=[
            dict(
                bit_depth='auto',
                max_megapixels=100.0,
                type='anomdet.LoadInspectionImage'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(size_hw=(
                320,
                320,
            ), type='anomdet.FitInside'),
            dict(
                meta_keys=(
                    'img_id',
                    'img_path',
                    'file_name',
                    'ori_shape',
                    'img_shape',
                    'scale_factor',
                    'instances',
                ),
                type='anomdet.PackInspectionInputs'),
        ],
        ratios=(
            0.7,
            0.15,
            0.15,
        ),
        split='test',
        split_files=None,
        split_rule=dict(
            by='ratio',
            group_regex=None,
            on_leak='warn',
            seed=0,
            stratify=True),
        test_mode=True,
        type='anomdet.TextLabelDataset',
        verify_images='header'),
    num_workers=2,
    persistent_workers=True,
    sampler=dict(
        round_up=False, seed=0, shuffle=False, type='anomdet.DrawSampler'))
test_evaluator = dict(
    complete=True,
    group_by=None,
    include_metrics=[
        'iou',
        'precision',
        'recall',
        'f1_score',
    ],
    iou_thresholds=[
        0.5,
        0.75,
        0.95,
    ],
    matching_iou_threshold=0.5,
    operating_point=dict(
        by='auto',
        escape_cost=10.0,
        max_false_alarms=10.0,
        min_recall=0.95,
        overkill_cost=1.0,
        per_class=None),
    score_threshold=None,
    type='anomdet.InspectionMetric')
train_cfg = dict(
    max_epochs=20,
    nan_limit=5,
    type='anomdet.InspectionTrainLoop',
    val_interval=1)
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        classes=None,
        data_root='data/',
        max_image_megapixels=100.0,
        missing_labels='error',
        pipeline=[
            dict(
                bit_depth='auto',
                cache_gb=5.0,
                max_megapixels=100.0,
                type='anomdet.LoadInspectionImage'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(
                enlarge=False, size_hw=(
                    320,
                    320,
                ), type='anomdet.FitInside'),
            dict(
                transforms=[
                    dict(p=0.5, type='HorizontalFlip'),
                    dict(p=0.5, type='VerticalFlip'),
                    dict(
                        border_mode=0,
                        fill=[
                            124,
                            116,
                            104,
                        ],
                        limit=[
                            -15.0,
                            15.0,
                        ],
                        p=0.5,
                        rotate_method='ellipse',
                        type='Rotate'),
                    dict(
                        brightness=0.2,
                        contrast=0.2,
                        hue=0.1,
                        p=0.5,
                        saturation=0.2,
                        type='ColorJitter'),
                ],
                type='anomdet.AlbumentationsAugment'),
            dict(size_hw=(
                320,
                320,
            ), type='anomdet.FitInside'),
            dict(
                meta_keys=(
                    'img_id',
                    'img_path',
                    'file_name',
                    'ori_shape',
                    'img_shape',
                    'scale_factor',
                ),
                type='anomdet.PackInspectionInputs'),
        ],
        ratios=(
            0.7,
            0.15,
            0.15,
        ),
        split='train',
        split_files=None,
        split_rule=dict(
            by='ratio',
            group_regex=None,
            on_leak='warn',
            seed=0,
            stratify=True),
        test_mode=False,
        type='anomdet.TextLabelDataset',
        verify_images='header'),
    num_workers=2,
    persistent_workers=True,
    sampler=dict(
        normal_ratio=None,
        replacement=True,
        seed=42,
        type='anomdet.BalancedSampler'))
val_cfg = dict(type='anomdet.InspectionValLoop', with_loss=True)
val_dataloader = dict(
    batch_size=8,
    dataset=dict(
        classes=None,
        data_root='data/',
        max_image_megapixels=100.0,
        missing_labels='error',
        pipeline=[
            dict(
                bit_depth='auto',
                cache_gb=5.0,
                max_megapixels=100.0,
                type='anomdet.LoadInspectionImage'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(size_hw=(
                320,
                320,
            ), type='anomdet.FitInside'),
            dict(
                meta_keys=(
                    'img_id',
                    'img_path',
                    'file_name',
                    'ori_shape',
                    'img_shape',
                    'scale_factor',
                    'instances',
                ),
                type='anomdet.PackInspectionInputs'),
        ],
        ratios=(
            0.7,
            0.15,
            0.15,
        ),
        split='val',
        split_files=None,
        split_rule=dict(
            by='ratio',
            group_regex=None,
            on_leak='warn',
            seed=0,
            stratify=True),
        test_mode=True,
        type='anomdet.TextLabelDataset',
        verify_images='header'),
    num_workers=2,
    persistent_workers=True,
    sampler=dict(
        round_up=False, seed=0, shuffle=False, type='anomdet.DrawSampler'))
val_evaluator = dict(
    complete=False,
    group_by=None,
    include_metrics=[
        'iou',
        'precision',
        'recall',
        'f1_score',
    ],
    iou_thresholds=[
        0.5,
        0.75,
        0.95,
    ],
    matching_iou_threshold=0.5,
    operating_point=dict(
        by='auto',
        escape_cost=10.0,
        max_false_alarms=10.0,
        min_recall=0.95,
        overkill_cost=1.0,
        per_class=None),
    score_threshold=None,
    type='anomdet.InspectionMetric')
visualizer = dict(
    name='visualizer',
    type='DetLocalVisualizer',
    vis_backends=[
        dict(save_dir='logs', type='anomdet.RunImages'),
    ])
work_dir = 'logs'
