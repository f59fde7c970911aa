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
channels_last = False
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
load_from = 'https://download.openmmlab.com/mmdetection/v2.0/faster_rcnn/faster_rcnn_r50_fpn_1x_coco/faster_rcnn_r50_fpn_1x_coco_20200130-047c8118.pth'
log_level = 'INFO'
minutes = None
model = dict(
    backbone=dict(
        depth=50,
        frozen_stages=1,
        init_cfg=None,
        norm_cfg=dict(requires_grad=True, type='BN'),
        norm_eval=True,
        num_stages=4,
        out_indices=(
            0,
            1,
            2,
            3,
        ),
        style='pytorch',
        type='ResNet'),
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
            256,
            512,
            1024,
            2048,
        ],
        num_outs=5,
        out_channels=256,
        type='FPN'),
    roi_head=dict(
        bbox_head=dict(
            bbox_coder=dict(
                target_means=[
                    0.0,
                    0.0,
                    0.0,
                    0.0,
                ],
                target_stds=[
                    0.1,
                    0.1,
                    0.2,
                    0.2,
                ],
                type='DeltaXYWHBBoxCoder'),
            fc_out_channels=1024,
            in_channels=256,
            loss_bbox=dict(loss_weight=1.0, type='L1Loss'),
            loss_cls=dict(
                loss_weight=1.0, type='CrossEntropyLoss', use_sigmoid=False),
            num_classes=None,
            reg_class_agnostic=False,
            roi_feat_size=7,
            type='Shared2FCBBoxHead'),
        bbox_roi_extractor=dict(
            featmap_strides=[
                4,
                8,
                16,
                32,
            ],
            out_channels=256,
            roi_layer=dict(output_size=7, sampling_ratio=0, type='RoIAlign'),
            type='SingleRoIExtractor'),
        type='StandardRoIHead'),
    rpn_head=dict(
        anchor_generator=dict(
            ratios=[
                0.5,
                1.0,
                2.0,
            ],
            scales=[
                8,
            ],
            strides=[
                4,
                8,
                16,
                32,
                64,
            ],
            type='AnchorGenerator'),
        bbox_coder=dict(
            target_means=[
                0.0,
                0.0,
                0.0,
                0.0,
            ],
            target_stds=[
                1.0,
                1.0,
                1.0,
                1.0,
            ],
            type='DeltaXYWHBBoxCoder'),
        feat_channels=256,
        in_channels=256,
        loss_bbox=dict(loss_weight=1.0, type='L1Loss'),
        loss_cls=dict(
            loss_weight=1.0, type='CrossEntropyLoss', use_sigmoid=True),
        type='RPNHead'),
    test_cfg=dict(
        rcnn=dict(
            max_per_img=100,
            nms=dict(iou_threshold=0.5, type='nms'),
            score_thr=0.05),
        rpn=dict(
            max_per_img=1000,
            min_bbox_size=0,
            nms=dict(iou_threshold=0.7, type='nms'),
            nms_pre=1000)),
    train_cfg=dict(
        rcnn=dict(
            assigner=dict(
                ignore_iof_thr=-1,
                match_low_quality=False,
                min_pos_iou=0.5,
                neg_iou_thr=0.5,
                pos_iou_thr=0.5,
                type='MaxIoUAssigner'),
            debug=False,
            pos_weight=-1,
            sampler=dict(
                add_gt_as_proposals=True,
                neg_pos_ub=-1,
                num=512,
                pos_fraction=0.25,
                type='RandomSampler')),
        rpn=dict(
            allowed_border=-1,
            assigner=dict(
                ignore_iof_thr=-1,
                match_low_quality=True,
                min_pos_iou=0.3,
                neg_iou_thr=0.3,
                pos_iou_thr=0.7,
                type='MaxIoUAssigner'),
            debug=False,
            pos_weight=-1,
            sampler=dict(
                add_gt_as_proposals=False,
                neg_pos_ub=-1,
                num=256,
                pos_fraction=0.5,
                type='RandomSampler')),
        rpn_proposal=dict(
            max_per_img=1000,
            min_bbox_size=0,
            nms=dict(iou_threshold=0.7, type='nms'),
            nms_pre=2000)),
    type='FasterRCNN')
optim_wrapper = dict(
    accumulative_counts=1,
    clip_grad=dict(max_norm=35.0, norm_type=2),
    constructor='anomdet.TwoGroups',
    dtype='auto',
    optimizer=dict(lr=0.001, type='Adam', weight_decay=0.0001),
    type='anomdet.MixedPrecision')
param_scheduler = [
    dict(
        T_0=10,
        T_mult=1,
        convert_to_iter_based=True,
        eta_min=0.0,
        gamma=0.1,
        max_epochs=10,
        name='cosine_annealing_warm_restarts',
        step_size=3,
        type='anomdet.IterationSchedule',
        warmup_iterations=100,
        warmup_start=0.01),
]
randomness = dict(deterministic=False, seed=42)
report = dict(title=None)
resume = False
runner_type = 'anomdet.InspectionRunner'
scale_lr = None
test_cfg = dict(type='anomdet.InspectionTestLoop')
test_dataloader = dict(
    batch_size=16,
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
                640,
                640,
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
    num_workers=4,
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
    max_epochs=10,
    nan_limit=5,
    type='anomdet.InspectionTrainLoop',
    val_interval=1)
train_dataloader = dict(
    batch_size=16,
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
                    640,
                    640,
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
                640,
                640,
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
    num_workers=4,
    persistent_workers=True,
    sampler=dict(
        normal_ratio=None,
        replacement=True,
        seed=42,
        type='anomdet.BalancedSampler'))
val_cfg = dict(type='anomdet.InspectionValLoop', with_loss=True)
val_dataloader = dict(
    batch_size=16,
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
                640,
                640,
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
    num_workers=4,
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
